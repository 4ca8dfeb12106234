"""The ways to solve problems, one file each: Countdown's own token language, traces of a chat under a policy, plans with tools."""
