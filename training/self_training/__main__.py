"""`python -m orchestra.training.self_training`."""

from .run import main

if __name__ == "__main__":  # vLLM starts processes that import this file
    raise SystemExit(main())
