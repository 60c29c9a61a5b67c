# make run    the example application, live at http://127.0.0.1:$(REACTOR_PORT); edit functions/ and watch
# make seed   hundreds of users and tens of thousands of images for it (while `make run` is up, or on its own)
# make test   everything CI checks: format, lint, types, floors, tests
# make bench  reactor beside its peers on this machine, one table: about half an hour; BENCH="--rounds 1 --seconds 2" is shorter
# make newcomer  README and tutorial, followed literally in a new folder and a new environment, with Chromium: some minutes
# Needs Python 3.11 or newer and GNU make; everything else arrives in .venv.

PYTHON ?= python3
REACTOR_PORT ?= 3210
export REACTOR_PORT

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: run seed test newcomer bench format clean

run: .venv/.installed
	$(BIN)/reactor dev

seed: .venv/.installed
	$(BIN)/python scripts/seed.py

# Tests with real processes and sockets may miss a deadline while both cores are taken: what failed runs once more, alone.
test: .venv/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto || $(BIN)/pytest --last-failed --last-failed-no-failures none

newcomer: .venv/.installed-test
	$(BIN)/python -m tests.newcomer $(NEWCOMER)

bench: .venv/.installed-bench
	$(BIN)/python -m bench --results bench/results/latest.json $(BENCH)

format: .venv/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "reactor needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing into .venv, once: about a minute"
	$(PIP) -e '.[example]'
	@touch $@

.venv/.installed-test: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing the tools of the tests into .venv, once: a few minutes"
	$(PIP) -e '.[test]'
	@touch $@ .venv/.installed

.venv/.installed-bench: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e '.[bench]'
	@touch $@ .venv/.installed
