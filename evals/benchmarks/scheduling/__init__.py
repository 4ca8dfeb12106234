"""What a scheduler costs, ours and others', on the same plans: `run.py` measures, `workloads.py` says what, `peers/` says whom.

Everything but `run.py` and `table.py` uses the standard library alone, because peers run in an environment that knows nothing of ours.
"""
