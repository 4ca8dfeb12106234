# Two commands: `make demo` and `make test`. Each sets up what it needs in .venv, and starts at once when that is there.
# ARGS goes to the program: make demo ARGS="--limit 4", make test ARGS="-k ledger".

PYTHON ?= python3
UV ?= uv
ARGS ?=
BIN := .venv/bin

# vLLM starts three processes; without bytecode files each would compile all that it imports, at every start.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: demo test lint setup setup-test pins clean help

demo: setup ## a small model forks threads before your eyes, on a real vLLM
	@$(BIN)/orchestra demo $(ARGS)

test: lint ## lint, types and tests
	@echo "tests: pytest"
	@$(BIN)/python -m pytest --durations=5 $(ARGS)

lint: setup-test ## ruff and mypy
	@$(call timed,ruff check,$(BIN)/ruff check --quiet)
	@$(call timed,ruff format,$(BIN)/ruff format --quiet --check)
	@$(call timed,mypy,$(BIN)/mypy)

setup: ## .venv with vLLM or transformers, and orchestra
	@$(PYTHON) scripts/setup_env.py

setup-test: ## the same, with the test tools
	@$(PYTHON) scripts/setup_env.py --test

pins: ## write requirements/*.txt anew from *.in (needs uv; ARGS=--upgrade takes new versions)
	$(COMPILE) pyproject.toml requirements/cpu.in --excludes requirements/without.txt -o requirements/cpu.txt
	$(COMPILE) pyproject.toml requirements/transformers.in --excludes requirements/without.txt -c requirements/cpu.txt -o requirements/transformers.txt
	$(COMPILE) pyproject.toml requirements/gpu.in -c requirements/torch.txt -o requirements/gpu.txt
	$(COMPILE) --group test -c requirements/cpu.txt --excludes requirements/without-test.txt -o requirements/test.txt
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make pins" $(ARGS)

clean: ## remove .venv and caches
	rm -rf .venv .venv.* .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

timed = start=$$(date +%s); $(2) && echo "$(1): $$(($$(date +%s) - start)) s"
