# Everything happens through these targets. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PYTHONPATH := .:gen

.DEFAULT_GOAL := help
.PHONY: help setup run test check proto clients settings providers bench format lint types

help:  ## Lists the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## *' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Creates .venv with the pinned dependencies, Envoy included.

# A venv made elsewhere (a link) is taken as it is.
$(STAMP): requirements-dev.txt pyproject.toml
	@test -L $(VENV) || $(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Try: make setup PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@test -L $(VENV) || test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -L $(VENV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@test -L $(VENV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup  ## Serves on http://127.0.0.1:8080 (PORT), until Ctrl-C.
	@exec $(BIN)/python -m services.runtime.cli serve

test: setup  ## Runs all tests, with the real Envoy, no network and no keys.
	$(BIN)/python -m pytest -rs

check: setup  ## What CI runs: format, lint, types, gen/ fresh, tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python proto/generate.py --check
	$(BIN)/python -m pytest -rs

proto: setup  ## Checks proto/ and writes gen/ from it.
	$(BIN)/python proto/generate.py

clients:  ## Fetches what the Go and TypeScript client tests need (network, once).
	@command -v go > /dev/null && cd tests/clients/go && go mod download && cd ../grpcurl && go mod download || echo "no Go modules"
	@command -v npm > /dev/null && cd tests/clients/ts && npm ci --ignore-scripts --no-audit --no-fund || echo "no npm packages"

settings: setup  ## Writes docs/settings.md from the code.
	$(BIN)/python -m services.runtime.settings_page > docs/settings.md

providers: setup  ## Writes docs/providers.md by asking every dialect.
	$(BIN)/python -m tests.matrix > docs/providers.md.new
	mv docs/providers.md.new docs/providers.md

bench: setup  ## Measures CPU per request and per chunk against the floor of this stack.
	$(BIN)/python -m bench

format: setup  ## Formats the code.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lint: setup  ## Lints the code.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup  ## Checks the types.
	$(BIN)/mypy
