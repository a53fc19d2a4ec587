# Every target sets up .venv by itself, on a machine with Python 3.11 or later and make.
# A stamp file per kind of install makes the second run quick.

PYTHON ?= python3
CATALENS_DATA ?= ../shared/data
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One process per core; tests/__init__.py keeps each on its core.
PYTEST := $(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 8 --dist worksteal --durations 10

# Extras that constraints.txt pins: what the other extras need is in these.
LOCKED := dev-models docs bench bench-models

# Images of containers set this; then every process of every run would compile the tests and Catalens again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo check fix lint types layers test test-slow test-models test-hostile test-hostile-full test-opensearch test-deploy test-ui bench bench-models bench-serve bench-finetune fuzz-serve docs dist dist-check lock starter everyday eval-bundled clean

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

demo: $(VENV)/.demo  ## draw a small catalogue, index it, tag it, search it, and say how often that was right
	$(BIN)/catalens demo

check: lint types layers test  ## everything a change must pass

fix: $(VENV)/.dev  ## repair what ruff can repair
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lint: $(VENV)/.dev  ## ruff: rules and format; oxlint: the page's JavaScript
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@if [ -x $(BIN)/oxlint ]; then $(BIN)/oxlint src/catalens/ui/static; \
	else echo "the JavaScript is not linted: oxlint has no wheel for this machine"; fi

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

layers: $(VENV)/.dev  ## import-linter: one-way imports between the packages
	$(BIN)/lint-imports

test: $(VENV)/.dev  ## the test suite: offline, on the CPU
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev  ## the tests that start browsers, services and other processes, or kill runs
	$(PYTEST) -m slow

test-models: $(VENV)/.dev-models  ## the tests of training, of pretrained models and of Ray (installs torch: several gigabytes)
	$(PYTEST) tests/training tests/hub tests/pipelines/test_ray_engine.py

ROUNDS ?= 1
test-hostile: $(VENV)/.dev  ## attacks: mutated and costly pictures, damaged catalogues, full disks, kills (ROUNDS=5 for five times as many)
	$(BIN)/python -m pytest -q tests/hostile --rounds $(ROUNDS)

test-hostile-full: $(VENV)/.dev-models  ## 10,000 mutated pictures per command and encoder, 300 damaged catalogues, 200 kills (an hour)
	$(BIN)/python -m pytest -q tests/hostile --full

test-opensearch: $(VENV)/.dev  ## the tests of indexes over a real OpenSearch node (Maven fetches it once; JDK 21 or later)
	OPENSEARCH_TESTS=1 $(BIN)/python -m pytest -q -m opensearch

test-deploy: $(VENV)/.dev  ## bundles on the engines that serve them (Java; pip and Maven fetch the engines once)
	DEPLOY_TESTS=1 $(BIN)/python -m pytest -q -m deploy tests/deployment --durations 10

test-ui: $(VENV)/.dev  ## the tests of the page in headless Chromium (the system's, or CHROMIUM=path)
	$(BIN)/python -m pytest -q -rs tests/ui

bench: $(VENV)/.bench  ## speed and memory; the last line is one JSON document
	$(BIN)/python -m benchmarks

bench-models: $(VENV)/.bench-models  ## speed of pretrained models beside the libraries they come from (random weights)
	$(BIN)/python -m benchmarks.models

RUN ?= 1
docs: $(VENV)/.docs  ## build the documentation into build/site: links checked, examples and tutorials run (RUN=0 runs nothing)
	NO_MKDOCS_2_WARNING=1 DOCS_RUN=$(RUN) PYTHONPATH=. $(BIN)/mkdocs build --quiet

bench-finetune: $(VENV)/.dev-models  ## fine-tuning of a scaled BLIP-2 beside the source article's loop, written plainly
	$(BIN)/python -m benchmarks.finetune

dist: $(VENV)/.dev  ## build the wheel and the source archive, and check both
	rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

dist-check: dist  ## install the wheel and the source archive, each into a clean environment, and use what was installed
	PYTHON="$(PYTHON)" scripts/check_dist.sh dist/*.whl dist/*.tar.gz

fuzz-serve: $(VENV)/.dev  ## 5,000 bodies made from the OpenAPI document, and 2,500 mutated pictures, to the HTTP service
	CATALENS_FUZZ=250 $(BIN)/python -m pytest -q tests/serving/test_under_load.py -k "never_a_fault"

bench-serve: $(VENV)/.bench  ## the HTTP service under load, beside the offline pipeline and a plain endpoint
	$(BIN)/python -m benchmarks.serve

lock: | $(BIN)/python  ## resolve every extra again and pin it in constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
	  $(LOCKED:%=--extra %) --output-file constraints.txt pyproject.toml

starter: $(VENV)/.train  ## train the starter again from its seed (six hours; needs CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.starter.train --data $(CATALENS_DATA) --out runs/starter
	$(BIN)/python -m catalens.training.recipes.starter.release --data $(CATALENS_DATA) --run runs/starter
	$(BIN)/python scripts/learn_cutoff.py --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.readers.train starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.readers.release starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.starter.at_home --data $(CATALENS_DATA) --out runs/at-home
	$(BIN)/python -m catalens.training.recipes.starter.late_release --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.known_classes starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.caption_support starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.closed_answers --bundle starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.none_of_these --bundle starter --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.prompt_terms starter --data $(CATALENS_DATA)
	$(BIN)/python scripts/write_label_vectors.py

everyday: $(VENV)/.train  ## train the everyday encoder and reader again from their seeds (three hours; needs CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.everyday.features --data $(CATALENS_DATA) --out runs/everyday
	$(BIN)/python -m catalens.training.recipes.everyday.train --data $(CATALENS_DATA) --out runs/everyday
	$(BIN)/python -m catalens.training.recipes.everyday.release --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.readers.train everyday --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.readers.reward --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.recipes.readers.release everyday --data $(CATALENS_DATA) --run runs/rewarded-everyday
	$(BIN)/python -m catalens.training.caption_support everyday --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.closed_answers --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.none_of_these --data $(CATALENS_DATA)
	$(BIN)/python -m catalens.training.prompt_terms everyday --data $(CATALENS_DATA)
	$(BIN)/python scripts/write_label_vectors.py

eval-bundled: $(VENV)/.train  ## scores of the bundled models on every labelled validation table, beside the majority's, and contact sheets of the worst errors; fails where one is worse than at the release
	$(BIN)/python -m catalens.training.recipes.unified.evaluate --data $(CATALENS_DATA)

.PHONY: bench-scale
SCALE ?= /tmp/catalens-scale
bench-scale: $(VENV)/.bench  ## long jobs, a piece at each call: make bench-scale WHAT=enrich|ray|opensearch
	$(BIN)/python -m benchmarks.scale $(or $(WHAT),enrich) --folder $(SCALE)

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
