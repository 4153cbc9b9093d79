# `make help` lists the targets. Everything is installed into $(VENV), in this folder, from setup.cfg.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

# All names are relative, so the folder's own path may hold spaces.
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -qq

.PHONY: help run test memory check docs format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1\t/p' Makefile | expand -t 14
	@echo 'Settings: PYTHON=$(PYTHON) VENV=$(VENV) ARGS=(more arguments for run and test)'

run: $(VENV)/.installed ## start the built-in lab; Ctrl-C ends it
	@exec $(BIN)/twistd -n --pidfile= socklab $(ARGS)

test: $(VENV)/.test ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: $(VENV)/.dev $(VENV)/.test ## check the format, lint, and check the types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict -p socklab -m _socklab_pytest
	for each in examples/*/; do $(BIN)/mypy --strict "$$each" || exit; done

docs: $(VENV)/.dev ## make the API reference, build/api/index.html, from the docstrings
	@$(BIN)/python -m pydoctor

memory: $(VENV)/.installed ## measure what one idle client costs (a minute)
	@$(BIN)/python benchmarks/memory.py $(ARGS)

format: $(VENV)/.dev ## format the code and sort the imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

clean: ## remove what these targets made
	rm -rf .venv* build dist socklab.egg-info twisted/plugins/dropin.cache
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis _trial_temp* tests/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'socklab needs Python 3.11 or newer, and $(PYTHON) is not: name one with make PYTHON=...' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '$(PYTHON) has no venv module: install it (Debian: apt-get install python3-venv)' >&2; exit 1; }
	@echo 'Creating $(VENV)'
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

# The last command writes Twisted's plugin cache, which a user without write access to it could not.
$(VENV)/.installed: $(VENV)/.created setup.cfg pyproject.toml
	@echo 'Installing socklab into $(VENV)'
	@$(PIP_INSTALL) --editable '.[fast]'
	@$(BIN)/twistd --help >/dev/null
	@touch $@

$(VENV)/.test $(VENV)/.dev: $(VENV)/.%: $(VENV)/.installed
	@echo 'Installing what "make $(if $(filter test,$*),test,check)" needs into $(VENV)'
	@$(PIP_INSTALL) --editable '.[$*]'
	@touch $@
