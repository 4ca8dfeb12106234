"""Asynchronous GRPO with TRL's trainer and our own rollout worker; `python -m orchestra.training.async_grpo`."""
