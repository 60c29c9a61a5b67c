# make run    the example application, live at http://127.0.0.1:$(REACTOR_PORT); edit functions/ and watch
# make seed   hundreds of users and tens of thousands of images for it (while `make run` is up, or on its own)
# make test   everything CI checks: format, lint, types, floors, tests
# make bench  reactor beside its peers on this machine, tables and plots: a quarter of an hour; BENCH="--only W3" is shorter
# make bench-parse  fetches Parse Server from npm, so that the next bench has it, too: it needs Node and PostgreSQL
# make bench-docs  bench in slices of two minutes, goes on where it was ended, and writes docs/performance.md and docs/plots
# make newcomer  README and tutorial, followed literally in a new folder and a new environment, with Chromium: some minutes
# Needs Python 3.11 or newer and GNU make; everything else arrives in .venv.

PYTHON ?= python3
REACTOR_PORT ?= 3210
export REACTOR_PORT

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: run seed test newcomer bench bench-parse bench-docs format clean

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
	$(BIN)/python -m bench --into bench/results/latest.json --anew --plots bench/results $(BENCH)

bench-parse: .venv/.installed-bench
	$(BIN)/python -m bench --install-parse

# SLICE goes before each slice: "flock /tmp/quiet timeout -s INT 115", say. A run that is complete is only written out again.
SLICE ?=
DOCS_RUN ?= bench/results/docs.json
bench-docs: .venv/.installed-bench
	@until $(SLICE) $(BIN)/python -m bench --into $(DOCS_RUN) --within 95 --quiet $(BENCH); do [ $$? -eq 75 ] || exit 1; done
	$(BIN)/python -m bench --show $(DOCS_RUN) --page docs/performance.md --plots docs/plots

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
