"""Supervised fine-tuning on packed demonstrations; `python -m orchestra.training.sft`."""
