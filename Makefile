# Everything runs in .venv, which `make setup` makes; every other target makes it first if need be.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
FIRST := .venv/.first
SETUP := .venv/.made
DOCS := .venv/.docs
PAPERS := all $(sort $(filter-out __init__,$(basename $(notdir $(wildcard analysis/papers/*.py)))))
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# More than there are processors: many tests wait for processes that they have started, most of all slow ones.
PYTEST := $(ONE_THREAD) $(BIN)/pytest --dist worksteal

# Every process would compile what it imports anew where bytecode may not be written, which containers often say:
# hundreds of processes, a second each. What runs from .venv keeps it.
unexport PYTHONDONTWRITEBYTECODE

# What pip is doing, a line a file, as it comes; that pip failed is not lost in the pipe.
SHELL := /bin/bash -o pipefail
PIP := $(BIN)/pip install --no-compile --disable-pip-version-check --progress-bar off
PIP_LINES := $(BIN)/python analysis/pip_lines.py

.DEFAULT_GOAL := help
.PHONY: $(shell grep -oE '^[a-z0-9-]+:' Makefile | tr -d :)

help:
	@echo 'First:  make compare                          and open results/compare/report.html (.5 GB; 85 s on two free cores)'
	@echo 'Then:   .venv/bin/snas new strategy Mine      mine.py, a strategy of ten lines to change'
	@echo '        .venv/bin/snas suite starter --strategies mine.py:Mine,evolution,bo --out results/mine'
	@grep -hE '^(##|[a-z0-9%-]+:.*##) ' $(MAKEFILE_LIST) | sed -E 's/^## (.*)/\n\1/; s/:.*## /\t/; s/\$$\(PAPERS\)/$(PAPERS)/' | expand -t 18

## To compare

setup: $(SETUP)  ## make .venv with everything and the command snas in it

# Modules are compiled when they are first imported: most never are, and compiling all takes as long as the rest of pip.
$(FIRST): pyproject.toml
	@echo 'Setting up .venv with what comparing on tables needs: 170 MB to fetch, 490 MB on disk, 40 s of a processor.'
	@$(PYTHON) -m venv .venv
	@$(PIP) -e '.[benchmarks]' | $(PIP_LINES)
	@touch $@

$(SETUP): $(FIRST)
	@echo 'Setting up .venv with everything: PyTorch, Ray, AutoKeras and more,'
	@echo '2.3 GB on disk, 6.1 where PyTorch comes with CUDA; 100 s of a processor, and as long as fetching takes.'
	@$(PIP) -e '.[dev]' | $(PIP_LINES)
	@touch $@

compare: $(FIRST)  ## compare strategies on four embedded problems and write results/compare/report.html (goes on)
	$(BIN)/snas suite starter --workers $(WORKERS) --serve --out results/compare

data: $(FIRST)  ## fetch NAS-Bench-201 (36 MB) and verify it
	$(BIN)/snas data fetch nb201
	$(BIN)/snas data verify

suite: $(SETUP)  ## compare strategies on 32 problems over eighteen spaces and write results/suite/report.html (goes on)
	$(BIN)/snas data fetch all
	$(BIN)/snas suite standard --workers $(WORKERS) --out results/suite

## Published comparisons, our numbers beside theirs

paper-%: $(SETUP)  ## repeat a published comparison, our numbers beside it (resumes): $(PAPERS)
	@[ $* = oneshot ] || $(MAKE) data
	$(BIN)/python -m analysis.papers $* --workers $(WORKERS)

## The study of losses

# DATA=FOLDER: of other tables. Searches are made apart, by python -m analysis.answer.searching.
DATA ?= data/losses
answer: $(SETUP)  ## which loss should drive a search: compute it from data/losses and write results/answer/index.html
	$(ONE_THREAD) $(BIN)/python -m analysis.answer --data $(DATA) --workers $(WORKERS)

## To develop

check: $(SETUP)  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m analysis.language

test: $(SETUP)  ## all tests but the slow ones; with SURROGATE_NAS_MIRROR also those on real NAS-Bench-201 data
	$(PYTEST) -n $(shell expr $(WORKERS) + 1) -m "not slow"

test-slow: $(SETUP)  ## the tests that take long; SURROGATE_NAS_FULL=1 makes the longest at full size (hours)
	$(PYTEST) -n $(shell expr $(WORKERS) + 2) -m slow

torture: data  ## 20,000 damaged inputs for every reader, then long work killed 100 times in each way (hours; goes on)
	$(BIN)/python analysis/fuzz.py
	$(BIN)/python analysis/torture.py --kills 100

bench: data  ## what things cost: queries, starting, large tables and studies (python analysis/bench.py has more)
	for what in query start scale; do $(BIN)/python analysis/bench.py $$what || exit 1; done

golden: $(SETUP)  ## add what is new to tests/golden*.json (trajectories, spaces, verdicts); NAMES="evolution nb201" rewrites these
	$(BIN)/python -m tests.golden $(NAMES)

## Documents and releases

$(DOCS): $(SETUP)
	@$(PIP) -e '.[docs]' | $(PIP_LINES)
	@touch $@

docs: $(DOCS)  ## the site in results/docs/index.html: guide, tutorials as they run, reference of what is public; warnings are errors
	$(BIN)/pytest tests/documents/test_reference.py
	@rm -rf results/docs results/docs-source && mkdir -p results/docs-source
	$(ONE_THREAD) $(BIN)/sphinx-build -q -W --keep-going -c analysis/site -d results/docs-source/.made results/docs-source results/docs

pictures: $(SETUP)  ## draw the pictures of pages and concepts in the documents from results/compare (after make compare)
	$(BIN)/python -m analysis.pictures

# PACKAGE=REQUIREMENT: what the first cell installs if the package is missing.
notebooks: $(SETUP)  ## the tutorials as notebooks in results/notebooks, without outputs, also for a hosted service
	$(BIN)/python analysis/notebooks.py $(if $(PACKAGE),'$(PACKAGE)')

lists: $(SETUP)  ## write what is read from elsewhere: data/catalogue.json (SOURCES=NAME: of that source alone), data/licences.csv and the tables in data/README.md and README.md
	$(BIN)/python analysis/catalogue.py $(SOURCES)
	$(BIN)/python analysis/data_tables.py
	$(BIN)/python analysis/abilities.py --keep
	$(BIN)/python analysis/licences.py

croissant: $(SETUP)  ## write the metadata (data/*.croissant.json) and the lists of tables after a table of data/ has changed
	$(BIN)/python -m analysis.croissant
	$(BIN)/python analysis/data_tables.py

dist: $(SETUP)  ## sdist and wheel in dist/, tried in clean environments of Python 3.11, 3.12 and 3.13
	$(BIN)/python analysis/dist.py

## The archives and tables that the project made

# starter: with a data directory that holds no fetched table (SURROGATE_NAS_HOME), since anyone shall verify it.
archive-%: $(SETUP)  ## run a suite, starter or another, and seal it in data/archives/ (goes on)
	$(BIN)/snas suite $* --workers $(WORKERS) --out results/suite-$*
	$(BIN)/snas archive create results/suite-$* data/archives/$*.zip --by 'surrogate_nas developers' \
	    --note 'make archive-$*' --licence MIT

table: $(SETUP)  ## train every functional class on Fashion-MNIST and write data/fashion.h5 (hours; goes on)
	$(ONE_THREAD) $(BIN)/python -m analysis.building.fashion --workers $(WORKERS)

table-losses: $(SETUP)  ## train what analysis/losses_protocol.md says and write data/losses/ (12 hours of a core; goes on)
	$(ONE_THREAD) nice -n 19 $(BIN)/python -m analysis.answer.tables --workers $(WORKERS)

table-regimes: $(SETUP)  ## train what analysis/regimes_protocol.md says and write data/regimes/ (4 hours of a core; goes on)
	$(ONE_THREAD) nice -n 19 $(BIN)/python -m analysis.answer.tables --design analysis/answer/regimes.toml \
	    --out data/regimes --workers $(WORKERS)

proxies: $(SETUP)  ## compute zero-cost proxies of every functional class and write data/proxies-nb201.h5 (269 s of a processor when it was made; goes on)
	$(ONE_THREAD) $(BIN)/python -m analysis.building.proxies --workers $(WORKERS)

clean:  ## remove everything that was made, .venv and results included
	rm -rf .venv results build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
