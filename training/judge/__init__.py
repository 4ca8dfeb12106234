"""A judge of partial traces (DeepPrune); `python -m orchestra.training.judge`."""
