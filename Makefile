# `make help` lists the targets. Everything is installed into $(VENV), in this folder, from setup.cfg.

PYTHON ?= python3
VENV ?= .venv
BENCH ?= $(VENV)-bench
ARGS ?=
MINUTES ?= 30

# All names are relative, so the folder's own path may hold spaces.
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -qq

.PHONY: help run test soak chaos systemd bench memory profile check docs screenshots format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /make \1\t/p' Makefile | expand -t 14
	@echo 'Settings: PYTHON=$(PYTHON) VENV=$(VENV) MINUTES=$(MINUTES) ARGS=(more arguments for run and test)'

run: $(VENV)/.installed ## start the built-in lab; Ctrl-C ends it
	@exec $(BIN)/twistd -n --pidfile= socklab $(ARGS)

test: $(VENV)/.test ## run the whole test suite
	@$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

soak: $(VENV)/.test ## attack servers for MINUTES, and see whether they grow
	@$(BIN)/python -m tests.attacks.soak --minutes $(MINUTES) $(ARGS)

chaos: $(VENV)/.test ## kill and cut off engines and nodes while members talk, and compare what all have heard
	@$(BIN)/python -m tests.cluster.chaos $(ARGS)

systemd: $(VENV)/.test ## boot a systemd in a container, as root, and drive the units there (3 minutes)
	@$(BIN)/python -m tests.booted $(ARGS)

check: $(VENV)/.dev $(VENV)/.test ## check the format, lint, and check the types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict -p socklab -m _socklab_pytest
	$(BIN)/mypy --strict benchmarks/*.py
	for each in examples/[!_]*/; do $(BIN)/mypy --strict "$$each" || exit; done

docs: $(VENV)/.dev ## make the API reference, build/api/index.html, from the docstrings
	@$(BIN)/python -m pydoctor

screenshots: $(VENV)/.test ## make the pictures of docs/console.md, in Chromium
	@$(BIN)/python -m docs.screenshots

bench: $(BENCH)/.bench ## measure socklab beside other servers (15 minutes; ARGS=--help, ARGS=--nodes)
	@$(BENCH)/bin/python -m benchmarks $(ARGS)

memory: $(BENCH)/.bench ## measure what one idle client costs (a minute; ARGS=uvloop, or another peer)
	@$(BENCH)/bin/python -m benchmarks --only memory --peers $(ARGS)

profile: $(BENCH)/.bench ## show where the time goes (ARGS=ws-1, a workload of make bench)
	@PATH="$(CURDIR)/$(BENCH)/bin:$$PATH" $(BENCH)/bin/python -m benchmarks.profiling $(ARGS)

format: $(VENV)/.dev ## format the code and sort the imports
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

clean: ## remove what these targets made
	rm -rf .venv* build dist socklab.egg-info twisted/plugins/dropin.cache
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis _trial_temp* tests/clients/node_modules benchmarks/node_modules
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
	@$(PIP_INSTALL) --editable '.[fast,lab]'
	@$(BIN)/twistd --help >/dev/null
	@touch $@

$(VENV)/.test $(VENV)/.dev: $(VENV)/.%: $(VENV)/.installed
	@echo 'Installing what "make $(if $(filter test,$*),test,check)" needs into $(VENV)'
	@$(PIP_INSTALL) --editable '.[$*]'
	@touch $@

# An environment of its own: what socklab is measured beside is nothing that it needs.
$(BENCH)/.bench: setup.cfg pyproject.toml benchmarks/requirements.txt benchmarks/package-lock.json
	@$(MAKE) --no-print-directory VENV='$(BENCH)' '$(BENCH)/.installed'
	@echo 'Installing what socklab is measured beside into $(BENCH)'
	@$(BENCH)/bin/python -m pip install --disable-pip-version-check -qq -r benchmarks/requirements.txt
	@(cd benchmarks && npm ci --no-audit --no-fund --silent) || echo 'npm fails: Node ws will be missing'
	@touch $@
