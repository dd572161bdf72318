# `make demo` runs the main job, `make test` the tests; each sets up what it needs in .venv first. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := .ci/locks

RIDES ?=
TRAIN ?=
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint types imports docs check lock clean \
	infra-test infra-apply-local infra-readme deploy rollback

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

# An environment is made anew only when its lock changes; the stamp carries which locks are in.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.13") if sys.version_info < (3, 11) else None'
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.%: $(LOCKS)/%.txt pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.local ## the main job on this machine: rides in, predictions out (RIDES=path-or-url TRAIN=path-or-url)
	@$(BIN)/stream-consumer demo $(if $(RIDES),--rides $(RIDES)) $(if $(TRAIN),--train $(TRAIN)) $(DEMO_ARGS)

test: $(VENV)/.dev ## the unit tests, under two minutes
	@$(BIN)/python -m pytest -n auto

coverage: $(VENV)/.dev ## the unit tests with branch coverage, which must not fall below the bar in pyproject.toml
	@$(BIN)/coverage erase
	@$(BIN)/python -m pytest -n auto -q --cov --cov-report=term

lint: $(VENV)/.dev ## ruff: style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict, tests included
	@$(BIN)/mypy

imports: $(VENV)/.dev ## import-linter: imports only point down the house
	@$(BIN)/lint-imports

docs: $(VENV)/.dev ## write the README's tables from the code
	@$(BIN)/python .ci/docs.py

check: lint types imports test ## all of the above

lock: $(VENV)/.dev ## resolve the locks anew: every hash, no index address
	@$(BIN)/python .ci/lock.py

# The scanners ask for older libraries than the project, so they have an environment of their own.
.venv-infra/.infra: $(LOCKS)/infra.txt | $(BIN)/python
	@$(PYTHON) -m venv .venv-infra
	@.venv-infra/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

infra-test: $(VENV)/.dev .venv-infra/.infra ## Terraform: rules, plans, policies, scans, without an account
	@$(BIN)/python -m infra.tests.check --tools .venv-infra/bin

infra-apply-local: $(VENV)/.dev ## Terraform: apply to an emulator, put a ride through, roll back, destroy
	@$(BIN)/python -m infra.tests.apply_local

infra-readme: $(VENV)/.dev ## write infra's tables from the code
	@$(BIN)/python -m infra.tests.check --write-readmes

ENV ?=
CONSUMER ?=
TO ?=
ARCH ?=

deploy: $(VENV)/.local ## build, push by digest, plan, apply, put a ride through (ENV=dev MODEL=… ARCH=arm64 APPROVE=1)
	@$(BIN)/python -m infra.release deploy "$(ENV)" $(if $(ARCH),--architecture $(ARCH))

rollback: $(VENV)/.local ## back to the version before, in seconds (ENV=dev CONSUMER=name TO=version APPROVE=1)
	@$(BIN)/python -m infra.release rollback "$(ENV)" $(if $(CONSUMER),--consumer $(CONSUMER)) $(if $(TO),--to $(TO))

clean: ## remove everything that make made
	@rm -rf $(VENV) .venv-infra build infra/tests/node_modules dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
