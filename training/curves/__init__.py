"""Pictures of what runs have logged; `python -m orchestra.training.curves`."""
