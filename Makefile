# What this project can do; `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test processes: more than cores, since a black-box test mostly waits.
WORKERS ?= 6
MINUTES ?= 30
QUICK := -m "not thorough and not second_node"
LINES ?= 100000
# Tools that the tests don't need, and the lowest versions of what the program needs, each in an environment of its own.
TOOLS := build/tools
LOWEST := build/lowest

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all durations lint conformance bench bench-cluster profile soak fuzz storm kibana pictures dist \
  check-deploy test-min audit clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 18

setup: $(READY) ## Make the virtual environment

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q shipper  # pip does it for all that is not editable
	@touch $@

demo: $(READY) ## A real Elasticsearch, an application that logs, the sidecar, the views
	$(BIN)/neuroflow-ship demo

lint: $(READY) ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Beside the first lint, pytest compiles the tests: otherwise each of its processes compiles all of them.
test: $(READY) ## What every change must pass: style, types, unit, golden, conformance, one real Elasticsearch
	@if test ! -e $(VENV)/.compiled; then \
	  { $(BIN)/python -m pytest --collect-only -qq $(QUICK) >/dev/null 2>&1; touch $(VENV)/.compiled; } & fi; \
	$(MAKE) --no-print-directory lint; status=$$?; wait; exit $$status
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --durations 15 $(QUICK)

test-all: lint check-deploy ## Everything: all variants of every case, models at length, several nodes, the tools' own tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --durations 15 --hypothesis-profile full

durations: $(READY) ## What make test does, and how long each test takes, the slowest first
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --durations 0 $(QUICK)

conformance: $(READY) ## Every variant of every case of the conformance suite
	$(BIN)/python -m pytest --numprocesses $(WORKERS) tests/conformance

bench: $(READY) ## How fast it is, beside other shippers (ARGS="--lines 1000000 --json FILE"; ARGS=--help)
	$(BIN)/python -m tests.bench $(ARGS)

profile: $(READY) ## Where the sidecar's time goes, stage by stage
	$(BIN)/python -m tests.bench.profile $(ARGS)

bench-cluster: $(READY) ## What a document costs the cluster, in CPU time and on disk
	$(BIN)/python -m tests.bench.cluster_cost

soak: $(READY) ## Half an hour (MINUTES=, SEED=) of kills, rotations and outages, then every line counted
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

kibana: $(READY) ## Write the objects under kibana/ from the views' declarations
	$(BIN)/python -m shipper.kibana.objects

fuzz: $(READY) ## A hundred thousand (LINES=, SEED=) broken lines of every format, each looked for in the index
	$(BIN)/python -m tests.fuzz --lines $(LINES) $(if $(SEED),--seed $(SEED))

storm: fuzz # the name of before

pictures: $(READY) ## Draw the terminal pictures of the documentation again
	$(BIN)/python -m tests.pictures

$(TOOLS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	$(TOOLS)/bin/uv pip install --quiet --python $(TOOLS)/bin/python --group tools
	@touch $@

dist: $(READY) $(TOOLS)/.ready ## Build wheel and sdist, check them, and run the wheel without the checkout
	$(BIN)/python -m tests.dist --tools $(TOOLS)/bin

check-deploy: $(READY) $(TOOLS)/.ready ## The files under deploy/, with the tools that are there
	$(BIN)/python -m tests.deploy_check --tools $(TOOLS)/bin

test-min: $(TOOLS)/.ready ## The lowest versions of the dependencies: unit, golden, one real Elasticsearch
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(TOOLS)/bin/uv pip compile --quiet --no-deps --no-header --python $(LOWEST)/bin/python --resolution lowest-direct \
	  --output-file $(LOWEST)/constraints.txt pyproject.toml
	@cat $(LOWEST)/constraints.txt
	$(TOOLS)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --constraint $(LOWEST)/constraints.txt \
	  --editable '.[dev]'
	$(LOWEST)/bin/python -m pytest --numprocesses $(WORKERS) $(QUICK) tests/unit tests/conformance/test_once.py \
	  tests/elasticsearch/test_install.py tests/elasticsearch/test_search.py tests/elasticsearch/test_views.py

# With --strict, because without it a package that the service does not know, or an answer that it does not give, passes.
audit: $(TOOLS)/.ready ## Known vulnerabilities of the newest versions of the dependencies (asks a service)
	$(TOOLS)/bin/uv pip compile --quiet --no-header --output-file $(TOOLS)/newest.txt pyproject.toml
	$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps --requirement $(TOOLS)/newest.txt

clean: ## Remove what the above made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
