"""Synchronous GRPO of fork-join policies; `python -m orchestra.training.grpo`."""
