# What a person, and continuous integration, does with this repository. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Tests in so many processes: most of the time of the real ones is waiting, so that two cores carry three.
SPREAD := --dist worksteal -n
# Programs that the tests run beside ours; .ci/packages installs them where it may.
PROGRAMS := haproxy openssl tmux systemd-analyze chromium node
# What the benchmarks compare with, where the system has it; the others come from PyPI and npm.
SYSTEM_PEERS := runsvdir s6-svscan htop btop npm

.DEFAULT_GOAL := help
.PHONY: help demo test check bench peers shots format clean

help:
	@echo 'make demo    a living cluster on one screen; quitting leaves nothing behind'
	@echo 'make test    everything: check, and tests on real processes and a real HAProxy'
	@echo 'make check   format, lint, types, house rules and unit tests; no system packages needed'
	@echo 'make bench   the benchmarks, one after the other, into docs/performance.md'
	@echo 'make peers   the programs that the benchmarks run beside ours'
	@echo 'make shots   the pictures and tables of docs/ again, from the demo and the source'
	@echo 'make format  writes the source as `make check` wants it'
	@echo 'make clean   removes what the others made'

# The stamp is newer than pyproject.toml once its dependencies are installed.
$(INSTALLED): pyproject.toml .ci/environment.py
	$(PYTHON) .ci/environment.py $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/clusterctl demo

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m 'not real' $(SPREAD) 2

test: $(INSTALLED)
	.ci/packages $(PROGRAMS)
	$(MAKE) check
	$(BIN)/python -m pytest -m real $(SPREAD) 3

bench: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks --record

peers: $(INSTALLED)
	.ci/packages $(SYSTEM_PEERS)
	$(BIN)/python -m tests.benchmarks._peers

shots: $(INSTALLED)
	$(BIN)/python -m tests.pages
	$(BIN)/python -m tests.shots
	$(BIN)/python -m tests.session

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
