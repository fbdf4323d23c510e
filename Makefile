# Everything runs in .venv, which `make setup` makes; every other target makes it first if need be.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
SETUP := .venv/.made
PAPERS := all $(sort $(filter-out __init__,$(basename $(notdir $(wildcard surrogate_nas/papers/*.py)))))

.DEFAULT_GOAL := help
.PHONY: $(shell grep -oE '^[a-z0-9-]+:' Makefile | tr -d :)

help:  ## list the targets
	@echo 'First:  make compare                          and open results/compare/report.html (under three minutes)'
	@echo 'Then:   .venv/bin/snas new strategy Mine      mine.py, a strategy of ten lines to change'
	@echo '        .venv/bin/snas suite starter --strategies mine.py:Mine,evolution,bo --out results/mine'
	@echo
	@grep -hE '^[a-z0-9%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/; s/\$$\(PAPERS\)/$(PAPERS)/' | expand -t 18

setup: $(SETUP)  ## make .venv with everything and the command snas in it

$(SETUP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@

check: $(SETUP)  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: $(SETUP)  ## all tests but the slow ones; with SURROGATE_NAS_MIRROR also those on real NAS-Bench-201 data
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m "not slow"

coverage: $(SETUP)  ## the same tests with the lines that none of them runs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m "not slow" --cov --cov-report=term:skip-covered

test-slow: $(SETUP)  ## the tests that take long, with SURROGATE_NAS_MIRROR
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) -m slow

compare: $(SETUP)  ## compare strategies on four embedded problems and write results/compare/report.html (goes on)
	$(BIN)/snas suite starter --workers $(WORKERS) --out results/compare

report: compare  ## write the report of results/compare again; only runs that are missing are made

suite: $(SETUP)  ## compare strategies on 32 problems over eight spaces and write results/suite/report.html (goes on)
	$(BIN)/snas data fetch all
	$(BIN)/snas suite standard --workers $(WORKERS) --out results/suite

data: $(SETUP)  ## fetch NAS-Bench-201 (36 MB) and verify it
	$(BIN)/snas data fetch nb201
	$(BIN)/snas data verify

paper-%: $(SETUP)  ## redo a published comparison, our numbers beside it (goes on): $(PAPERS)
	@[ $* = oneshot ] || $(MAKE) data
	$(BIN)/snas paper $* --workers $(WORKERS)

lambda-path: data  ## strategies over a grid of λ: where the winner changes, and the front traced
	$(BIN)/snas lambda-path nb201-cifar10 --objective "valid_error + 0.1*latency@raspi4" --runs 20 --workers $(WORKERS) --out results/lambda-path

table: $(SETUP)  ## train every functional class on Fashion-MNIST and write data/fashion.h5 (about 75 minutes; goes on)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/snas table fashion --beside nb201-cifar10 --out data/fashion.h5 --workers $(WORKERS)

proxies: $(SETUP)  ## compute zero-cost proxies of every functional class and write data/proxies-nb201.h5 (5 minutes; goes on)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/snas proxies nb201 --task fashion --out data/proxies-nb201.h5 --workers $(WORKERS)

table-losses: $(SETUP)  ## train what analysis/losses_protocol.md says and write data/protocol/ (12 hours of a core; goes on)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 nice -n 19 $(BIN)/snas table-losses --design protocol --hours 12 \
	    --out data/protocol --workers $(WORKERS)

bench: data  ## the speed of queries, of the search loop and of training
	$(BIN)/python analysis/bench_query.py
	$(BIN)/python analysis/bench_loop.py
	$(BIN)/python analysis/bench_darts.py
	$(BIN)/python analysis/bench_training.py

bench-surrogates: data  ## models against training cells and seconds (long)
	$(BIN)/python analysis/bench_surrogates.py

catalogue: $(SETUP)  ## describe the tables of all sources in data/catalogue.json (after a source changed)
	$(BIN)/python analysis/catalogue.py

torture: data  ## kill long work at random moments, 100 times in each way, and compare what it makes then (hours; goes on)
	$(BIN)/python analysis/torture.py --kills 100

fuzz: $(SETUP)  ## 20,000 random and damaged inputs for every reader
	$(BIN)/python analysis/fuzz.py

docs: $(SETUP)  ## the reference of everything public, every command included, in results/docs/index.html; warnings are errors
	$(BIN)/python -m analysis.reference results/docs

notebooks: $(SETUP)  ## the tutorials as notebooks in results/notebooks, run, with what they print and draw (3 minutes)
	@mkdir -p results/notebooks
	@for one in $(notdir $(basename $(wildcard analysis/tutorials/*.py))); do echo $$one; \
	    $(BIN)/jupytext --quiet --to ipynb --set-kernel python3 --execute --run-path . \
	        --output results/notebooks/$$one.ipynb analysis/tutorials/$$one.py || exit 1; done

golden: $(SETUP)  ## rewrite the golden trajectories (after a change that is meant to change them)
	$(BIN)/python -m tests.golden

formats: $(SETUP)  ## write this release's small files of every format anew (after a format changed, with its version)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.formats

dist: $(SETUP)  ## sdist and wheel in dist/, tried in clean environments of Python 3.11, 3.12 and 3.13
	$(BIN)/python analysis/dist.py

licences: $(SETUP)  ## list the licences of all libraries in data/licences.csv
	$(BIN)/python analysis/licences.py

dependencies: $(SETUP)  ## what each dependency costs in MB and seconds
	$(BIN)/python analysis/dependencies.py --install

clean:  ## remove everything that was made, .venv and results included
	rm -rf .venv results build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
