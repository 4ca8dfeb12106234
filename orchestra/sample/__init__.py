"""Sampling policies: launch, stop, prune and vote, the same on recorded and on live traces."""
