"""Rejection-sampling self-training; `python -m orchestra.training.self_training`."""
