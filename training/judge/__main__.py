"""`python -m orchestra.training.judge`."""

from .run import main

if __name__ == "__main__":  # vLLM starts processes that import this file
    main()
