"""Policies compared on recorded traces: `orchestra replay`. The same draws for every policy, baselines at the same budget, intervals."""
