# Two commands do all the set-up on a machine that has Python 3.11 or later and make:
#   make demo     the main job, on products drawn by code (base install)
#   make test     the default test suite (development install)
# Everything lives in .venv; a stamp file per kind of install makes the second run quick.

PYTHON ?= python3
CATALENS_DATA ?= ../shared/data
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One process per core; tests/__init__.py keeps each on its core.
PYTEST := $(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 8 --dist worksteal --durations 10

# Extras that constraints.txt pins: what the other extras need is in these.
LOCKED := dev-models bench bench-models

.DEFAULT_GOAL := help
.PHONY: help demo test test-models quick check lint types layers fix test-opensearch test-hostile bench bench-models starter everyday eval-bundled lock clean

help:            ## list these commands
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.demo  ## draw a small catalogue, index it, tag it, search it, and say how often that was right
	$(BIN)/catalens demo

test: $(VENV)/.dev  ## the default test suite: offline, on the CPU; prints the ten slowest tests
	$(PYTEST)

test-models: $(VENV)/.dev-models  ## the tests of training and of pretrained models, which need torch (a large install, once)
	$(PYTEST) tests/training tests/hub

test-opensearch: $(VENV)/.dev  ## the tests of indexes over a real OpenSearch node (Maven fetches it once; JDK 21 or later)
	OPENSEARCH_TESTS=1 $(BIN)/python -m pytest -q -m opensearch

ROUNDS ?= 1
test-hostile: $(VENV)/.dev  ## attacks: mutated and costly pictures, damaged catalogues, full disks, kills (ROUNDS=20 for a long run)
	$(BIN)/python -m pytest -q tests/hostile --rounds $(ROUNDS)

quick: $(VENV)/.dev  ## the default suite without its slow tests
	$(PYTEST) -m "not slow"

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

bench-models: $(VENV)/.bench-models  ## speed of pretrained models beside the libraries they come from (random weights)
	$(BIN)/python -m benchmarks.models

starter: $(VENV)/.train  ## train the shipped encoder again from its seed (hours; needs the fashion tables)
	$(BIN)/python -m catalens.training.starter --data $(CATALENS_DATA) --out runs/starter
	$(BIN)/python -m catalens.training.release --data $(CATALENS_DATA) --run runs/starter
	$(BIN)/python scripts/learn_cutoff.py --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.reading starter --data $(CATALENS_DATA) --epochs 4 --captions 1 --questions 4 --batch 96 \
	  --depth 2 --vocabulary 2500 --rate 0.0008 --dropout 0.1
	$(BIN)/python -m catalens.training.reader_release starter --data $(CATALENS_DATA)

everyday: $(VENV)/.train  ## train the shipped everyday encoder and reader again from their seeds (three hours)
	$(BIN)/python -m catalens.training.frozen --data $(CATALENS_DATA) --out runs/everyday
	$(BIN)/python -m catalens.training.everyday --data $(CATALENS_DATA) --out runs/everyday
	$(BIN)/python -m catalens.training.everyday_release --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.reading everyday --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.self_critical --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.reader_release everyday --data $(CATALENS_DATA) --run runs/rewarded-everyday

lock: | $(BIN)/python  ## resolve every extra again and pin it in constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
	  $(LOCKED:%=--extra %) --output-file constraints.txt pyproject.toml

eval-bundled: $(VENV)/.train  ## scores of the bundled encoders on every labelled validation table, beside the majority's
	$(BIN)/python -m catalens.training.recipes.unified.judging --data $(CATALENS_DATA)

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing catalens into $(VENV) (once) ..." >&2
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev-models: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing catalens[dev-models] into $(VENV) (once; several gigabytes) ..." >&2
	$(PIP) --editable '.[dev-models]'
	$(PIP) --no-deps clip-interrogator==0.6.0
	@touch $@

# One rule for every extra: $(VENV)/.dev installs the extra named dev, and so on.
$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing catalens[$*] into $(VENV) (once) ..." >&2
	$(PIP) --editable '.[$*]'
	@touch $@
