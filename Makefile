.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.PHONY: help run emulators test check bench fmt lock clean

help: ## show this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) ## run the whole product on this machine (PORT=8080, DATA_DIR=.pledge)
	@exec $(BIN)/python -m infra.local

emulators: $(INSTALLED_DEV) ## the same on emulators of Google Cloud's parts (needs Java and gcloud's emulators)
	@exec $(BIN)/python -W ignore -m tests.emulators

test: $(INSTALLED_DEV) ## install what tests need and run them all
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

check: $(INSTALLED_DEV) ## lint, types, import contracts, parity, Terraform: quick, before every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest tests/test_parity.py tests/terraform

bench: $(INSTALLED_DEV) ## measure against the floors (needs wrk)
	$(BIN)/python -m tests.bench

fmt: $(INSTALLED_DEV) ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## pin the requirements anew, with hashes and no registry in them (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.txt
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements-dev.txt

clean: ## forget the environment (data in DATA_DIR stays)
	rm -rf $(VENV)

$(VENV)/bin/python:
	@echo "Making an environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(VENV)/bin/python
	@echo "Installing what Pledge needs (about half a minute, once)"
	@$(BIN)/python -m pip install -q --require-hashes --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m compileall -q functions infra shared main.py
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m infra.cli "$$@"\n' "$(CURDIR)" "$(CURDIR)/$(BIN)/python" > $(BIN)/pledge
	@chmod +x $(BIN)/pledge
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt | $(INSTALLED)
	@echo "Installing what Pledge's tests need (about a minute, once)"
	@$(BIN)/python -m pip install -q --require-hashes --disable-pip-version-check -r requirements-dev.txt
	@touch $@
