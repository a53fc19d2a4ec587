# Two commands do all the set-up on a machine that has Python 3.11 or later and make:
#   make demo     the main job, on products drawn by code (base install)
#   make test     the default test suite (development install)
# Everything lives in .venv; a stamp file per kind of install makes the second run quick.

PYTHON ?= python3
CATALENS_DATA ?= ../shared/data
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-train quick check lint types layers fix bench starter clean

help:            ## list these commands
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.base  ## draw a small catalogue, index it, tag it, search it, and say how often that was right
	$(BIN)/catalens demo

test: $(VENV)/.dev  ## the default test suite: offline, on the CPU
	$(BIN)/python -m pytest -q

test-train: $(VENV)/.train-dev  ## the tests of training, which need torch (a large install, once)
	$(BIN)/python -m pytest -q tests/training

quick: $(VENV)/.dev  ## the default suite without its slow tests
	$(BIN)/python -m pytest -q -m "not slow"

check: lint types layers test  ## everything a change must pass: lint, types, layers, tests

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

layers: $(VENV)/.dev  ## one-way imports between the rooms
	$(BIN)/lint-imports

fix: $(VENV)/.dev  ## repair what ruff can repair
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.bench  ## speed and memory; the last line is one JSON document
	$(BIN)/python -m benchmarks

starter: $(VENV)/.train  ## train the shipped encoder again from its seed (hours; needs the fashion tables)
	$(BIN)/python -m catalens.training.starter --data $(CATALENS_DATA) --out runs/starter
	$(BIN)/python -m catalens.training.release --data $(CATALENS_DATA) --run runs/starter
	$(BIN)/python scripts/learn_cutoff.py --data $(CATALENS_DATA)

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(BIN)/python
	@echo "installing catalens into $(VENV) (once) ..." >&2
	$(PIP) --editable .
	@touch $@

$(VENV)/.train-dev: pyproject.toml | $(BIN)/python
	@echo "installing catalens[dev,train] into $(VENV) (once; several gigabytes) ..." >&2
	$(PIP) --editable '.[dev,train]'
	@touch $@

# One rule for every extra: $(VENV)/.dev installs the extra named dev, and so on.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	@echo "installing catalens[$*] into $(VENV) (once) ..." >&2
	$(PIP) --editable '.[$*]'
	@touch $@
