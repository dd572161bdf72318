# `make demo` runs the main job, `make test` the tests; each sets up what it needs in .venv first. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := .ci/locks

RIDES ?=
TRAIN ?=
MODEL ?=
EXTRA ?=
SKLEARN ?=
DOORS ?=
TRAINING ?=
TAG ?= stream-consumer:$(if $(DOORS),doors,$(if $(TRAINING),training,latest))
PLATFORM ?=
PYTHON_IMAGE ?=
DEMO_ARGS ?=

# Without bytecode each process would compile every library anew. A user who wants none beside the sources has it in .venv.
ifdef PYTHONDONTWRITEBYTECODE
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/bytecode
endif

.DEFAULT_GOAL := help
.PHONY: help demo demo-loop moderation notebook site test coverage invariants mutations process-faults zoo fuzz mutated-models soak figures bench bench-check \
	lint words types imports \
	docs check pre-commit lock wheel clean image image-test integration integration-local web-test spark-test workflows infra-test infra-apply-local \
	infra-readme bootstrap preflight deploy plan promote publish release release-due \
	releases release-token rollback smoke destroy

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { line = sprintf("%-19s", $$1); n = split($$2, words, " "); \
	  for (i = 1; i <= n; i++) { if (length(line) + length(words[i]) > 79) { print line; line = sprintf("%19s", "") } \
	    line = line " " words[i] } print line }' $(MAKEFILE_LIST)

# An environment that was not made whole, whose last installation was cut off, or whose Python or pip is gone, is made anew.
# So is one of another Python than the user names.
VENVS := $(VENV) .venv-infra .venv-localstack .venv-spark
IDENTITY := import sys; print(sys.version, sys.base_prefix)
identity = "$$($1 -c '$(IDENTITY)' 2>/dev/null)"
is_named = $(if $(filter-out file,$(origin PYTHON)),&& test $(call identity,$1/bin/python) = $(call identity,$(PYTHON)))
.PHONY: $(foreach v,$(VENVS),$(if $(wildcard $v/.made),$(shell \
	test ! -e $v/.unfinished && $v/bin/python -c 'import pip' 2>/dev/null $(call is_named,$v) || echo $v/.made)))
$(VENVS:=/.made):
	@$(PYTHON) .ci/environment.py make $(@D)

# Each environment has a stamp for each lock that is in it.
install = @$(PYTHON) .ci/environment.py install $(@D) $< $(1) && touch $@

$(VENV)/.dev $(VENV)/.local: $(VENV)/.%: $(LOCKS)/%.txt $(VENV)/.made pyproject.toml
	$(call install,--project)

$(VENV)/.tools $(VENV)/.boosters $(VENV)/.site $(VENV)/.notebook: $(VENV)/.%: $(LOCKS)/%.txt $(VENV)/.made
	$(call install)

# What a target needs beside Python is asked for before anything is installed: commands, one|another, and variables with =.
NEEDS_image := docker|podman|buildah
NEEDS_image-test := $(NEEDS_image)
NEEDS_integration := docker
NEEDS_integration-local := $(NEEDS_image) node npm
NEEDS_web-test := node npm $(or $(CHROMIUM),chromium)
NEEDS_spark-test := java
NEEDS_workflows := node npm
NEEDS_infra-test := terraform
NEEDS_infra-apply-local := terraform
NEEDS_preflight := ENV=
NEEDS_bootstrap := ENV= terraform
NEEDS_deploy := ENV= terraform $(NEEDS_image)
NEEDS_plan := ENV= terraform
NEEDS_promote := ENV= FROM= terraform skopeo
NEEDS_publish := $(NEEDS_deploy)
NEEDS_release := ENV= terraform $(if $(FROM),skopeo,$(NEEDS_image))
NEEDS_release-due := ENV= terraform
NEEDS_release-token := ENV= terraform
NEEDS_releases := ENV=
NEEDS_rollback := ENV= terraform
NEEDS_smoke := ENV= terraform
NEEDS_destroy := ENV= terraform

found = $(if $(filter %=,$1),$($(patsubst %=,%,$1)),$(shell for c in $(subst |, ,$1); do command -v $$c; done 2>/dev/null; :))
missing = $(strip $(foreach need,$(NEEDS_$1),$(if $(call found,$(need)),,$(need))))
empty :=
space := $(empty) $(empty)
comma := ,
needs-%:
	@:$(if $(call missing,$*),$(error make $* needs $(subst |, or ,$(subst $(space),$(comma) ,$(patsubst %=,%=…,$(call missing,$*))))))

# The shell splits RIDES and TRAIN, so quotes and patterns mean what they mean there: RIDES="a.parquet 'my rides.parquet' b/*".
rides_as_options = set --; for rides in $(RIDES); do set -- "$$@" --rides "$$rides"; done; \
	for rides in $(TRAIN); do set -- "$$@" --train "$$rides"; done

demo: $(VENV)/.local ## run the demo on this machine: put rides, read predictions (RIDES="paths or URLs" TRAIN="paths or URLs")
	@$(rides_as_options); $(BIN)/stream-consumer demo "$$@" $(DEMO_ARGS)

demo-loop: $(VENV)/.local ## run the loop: promote and release a better model while rides come, refuse a bad model (RIDES=… TRAIN=… as for demo)
	@$(rides_as_options); $(BIN)/stream-consumer demo-loop "$$@" $(DEMO_ARGS)

moderation: $(VENV)/.local ## run the example with two text classifiers on one stream of comments
	@$(BIN)/python -m examples.moderation

notebook: $(VENV)/.local $(VENV)/.notebook ## run the notebook of examples/ from its first cell to its last
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter execute --timeout=300 examples/own_model.ipynb

# Each worker keeps to a range of the tests, so the fixtures of a module are made once.
PARALLEL := -n auto --dist worksteal

test: $(VENV)/.dev ## run the unit tests
	@$(BIN)/python -m pytest $(PARALLEL)

# These commands start processes or take seconds, so make test leaves them out. A challenger has too little time where
# processes are traced.
SLOW_COMMANDS := tests/cli/test_demo.py tests/cli/test_local.py tests/cli/test_model.py tests/cli/test_model_versions.py tests/cli/test_topics.py

coverage: $(VENV)/.dev ## run unit tests, demo and other slow commands with branch coverage; fails below the bar
	@$(BIN)/coverage erase
	@$(BIN)/python -m pytest $(PARALLEL) -q --cov --cov-report= --cov-fail-under=0
	@$(BIN)/python -m pytest $(PARALLEL) -q -m process -k 'not challenger' $(SLOW_COMMANDS) --cov --cov-append --cov-report=term

zoo: $(VENV)/.dev $(VENV)/.boosters ## run typical MLflow models through stream, batch and web, and print the table
	@$(BIN)/python -m tests.zoo
	@$(BIN)/python -m pytest $(PARALLEL) -q -m zoo tests/models

SCHEDULES ?= 10000
EXAMPLES ?= 100
SEED ?= 1
MINUTES ?= 10
RUNS ?= 100000
MUTATIONS ?= 20000

invariants: $(VENV)/.dev ## test the delivery promise with random schedules of faults, and all other properties with examples (SCHEDULES=10000 SEED=1 EXAMPLES=100)
	@$(BIN)/python -m tests.campaign --schedules $(SCHEDULES) --seed $(SEED)
	@EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest $(PARALLEL) -q -m 'hypothesis and not process and not zoo'

mutations: $(VENV)/.dev ## break each rule of the promise in turn; a test must fail each time
	@$(BIN)/python -m tests.mutations

# These watch the clock of real processes, so nothing runs beside them.
TIMED := tests/challenger tests/kafka/test_topic_writer_real.py tests/process tests/web/test_server.py

process-faults: $(VENV)/.dev ## run the tests with real processes: killed, starved and frozen workers, terminals, installations
	@$(BIN)/python -m pytest $(PARALLEL) -m process $(TIMED:%=--ignore=%)
	@$(BIN)/python -m pytest -m process $(TIMED)

# Its wheels are for CPython 3.11 to 3.13 on Linux; anywhere else `make test` runs the same checks without guidance.
$(VENV)/.fuzz: $(LOCKS)/fuzz.txt $(VENV)/.dev
	$(call install,--only-binary :all:)

fuzz: $(VENV)/.fuzz ## fuzz the decoder, guided by coverage (RUNS=100000 SEED=1)
	@cd $(VENV) && bin/python ../tests/fuzz/fuzz_decode.py -runs=$(RUNS) -seed=$(SEED)

mutated-models: $(VENV)/.dev ## load mutated skops files; fails if one crashes the process (MUTATIONS=20000 SEED=1)
	@MUTATIONS=$(MUTATIONS) SEED=$(SEED) $(BIN)/python -m pytest -n 0 -m process tests/models/test_skops_mutations.py

soak: $(VENV)/.dev ## test the promise with real workers and random faults (MINUTES=10 SEED=1)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED)

figures: $(VENV)/.dev ## run invariants and soak, and write their tables into docs/delivery.md and README.md
	@$(BIN)/python -m tests.campaign --schedules $(SCHEDULES) --seed $(SEED) --write
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED) --write

bench: $(VENV)/.dev ## run the benchmarks, and write the tables of README.md and docs/benchmarks.md (RIDES=… TRAIN=… as for demo)
	@$(rides_as_options); $(BIN)/python -m benchmarks --write "$$@"

bench-check: $(VENV)/.dev ## run short benchmarks; fails if a ratio is more than a third below its bar
	@$(BIN)/python -m benchmarks --quick

lint: $(VENV)/.dev ## check style and format with ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

words: $(VENV)/.dev ## check the English of docstrings, help and docs
	@$(BIN)/python .ci/words.py

types: $(VENV)/.dev ## check types with mypy --strict, tests included
	@$(BIN)/mypy

imports: $(VENV)/.dev ## check with import-linter that imports only point to lower layers
	@$(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev ## write the tables of docs/ from the code
	@$(BIN)/python .ci/docs.py

site: $(VENV)/.dev $(VENV)/.site ## build the documentation site in build/site/index.html; fails for a broken link
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -c docs/site -d build/site-cache . build/site
	@echo build/site/index.html

check: lint words types imports test ## run lint, words, types, imports and test

pre-commit: $(VENV)/.dev $(VENV)/.tools ## have git run lint, words, types, imports and hygiene before each commit
	@$(BIN)/pre-commit install

# Without a model any python3 will do; fetching one takes the package and, for models:/…, mlflow; what it needs, uv.
CUSTOM = $(MODEL)$(EXTRA)$(SKLEARN)
$(VENV)/.image: $(LOCKS)/image.txt $(VENV)/.made
	$(call install)

image: needs-image $(if $(CUSTOM),$(VENV)/.local $(VENV)/.image) ## build the image, and compare size and init with the budget (MODEL=folder|s3://…|models:/name@alias; DOORS=1 adds batch, worker, serve; TRAINING=1 trains instead; EXTRA="packages" SKLEARN=1.5)
	@$(if $(CUSTOM),$(BIN)/python,$(PYTHON)) -m infra.container build --tag $(TAG) $(if $(MODEL),--model '$(MODEL)') $(if $(DOORS),--doors) $(if $(TRAINING),--training) \
	  $(if $(PYTHON_IMAGE),--base $(PYTHON_IMAGE)) $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(SKLEARN),--scikit-learn $(SKLEARN)) \
	  $(foreach package,$(EXTRA),--extra '$(package)')

image-test: needs-image-test $(VENV)/.dev $(VENV)/.tools ## run the lean and the full image as Lambda does, check their content, scan them
	@$(BIN)/python -m pytest integration_tests/image

# LocalStack wants versions of its own, and Python 3.11 or 3.12.
.venv-localstack/.localstack: $(LOCKS)/localstack.txt .venv-localstack/.made
	$(call install)

.ci/node/node_modules/.package-lock.json: .ci/node/package-lock.json
	@npm ci --prefix .ci/node --ignore-scripts --no-audit --no-fund --silent

SUITE = $(BIN)/python -m pytest integration_tests --ignore integration_tests/image --ignore integration_tests/web --ignore integration_tests/spark

integration: needs-integration $(VENV)/.dev ## run the integration tests with the image and LocalStack in docker compose
	@$(SUITE) --tiers compose

integration-local: needs-integration-local $(VENV)/.dev .venv-localstack/.localstack .ci/node/node_modules/.package-lock.json ## run the integration tests without Docker, on three emulators
	@$(SUITE) --tiers ministack,kinesis-local,localstack

web-test: needs-web-test $(VENV)/.dev $(VENV)/.tools $(VENV)/.site .ci/node/node_modules/.package-lock.json ## test the web server with schemathesis, and its page, the reports and the site in a browser (SEED=1)
	@SEED=$(SEED) $(BIN)/python -m pytest integration_tests/web

.venv-spark/.spark: $(LOCKS)/spark.txt .venv-spark/.made pyproject.toml
	$(call install,--project)

# Its executors find the test's modules by PYTHONPATH.
spark-test: needs-spark-test .venv-spark/.spark ## run the backfill example on a local Spark cluster, and kill executors (RIDES="paths")
	@RIDES="$(RIDES)" PYTHONPATH="$(CURDIR)" .venv-spark/bin/python -m pytest integration_tests/spark --confcutdir integration_tests/spark

workflows: needs-workflows $(VENV)/.dev $(VENV)/.tools .ci/node/node_modules/.package-lock.json ## check the GitHub workflows, the compose files and the hooks of git, offline
	@node .ci/workflows.mjs .github/workflows/*.yml
	@$(BIN)/zizmor --quiet --offline .github/workflows
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml integration_tests/compose.yaml
	@PRE_COMMIT_HOME=$(CURDIR)/$(VENV)/pre-commit $(BIN)/pre-commit run --all-files

lock: $(VENV)/.dev ## resolve the locks anew, with all hashes and without URLs of an index
	@$(BIN)/python .ci/lock.py

# What an earlier build left would add modules that are gone by now.
wheel: $(VENV)/.dev ## build dist/*.whl from this folder, without an index
	@rm -rf build/lib build/bdist.* dist
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build/lib build/bdist.*

# The scanners ask for older libraries than the project, so they have an environment of their own.
.venv-infra/.infra: $(LOCKS)/infra.txt .venv-infra/.made
	$(call install)

infra-test: needs-infra-test $(VENV)/.dev .venv-infra/.infra ## test Terraform without an account: rules, plans, policies, scans
	@$(BIN)/python -m infra.tests.check --tools .venv-infra/bin

infra-apply-local: needs-infra-apply-local $(VENV)/.dev ## test Terraform on an emulator: apply, predict a ride, roll back, destroy
	@$(BIN)/python -m infra.tests.apply_local

infra-readme: $(VENV)/.dev ## write infra's tables from the code
	@$(BIN)/python -m infra.tests.check --write-readmes

ENV ?=
FROM ?=
CANARY ?=
CONSUMER ?=
TO ?=
ARCH ?=
COMMANDS := $(BIN)/python -m infra.commands
BATCHES ?=
LONGEST ?=
BOUNDS ?=
CHALLENGER ?=
CHALLENGER_DIGEST ?=
CHALLENGER_OF ?=
canary = $(if $(CANARY),--canary $(CANARY) --minutes $(MINUTES)) $(if $(BATCHES),--batches $(BATCHES)) \
	$(if $(LONGEST),--longest $(LONGEST)) $(if $(BOUNDS),--bounds "$(BOUNDS)") \
	$(if $(CHALLENGER),--challenger "$(CHALLENGER)") $(if $(CHALLENGER_DIGEST),--challenger-digest $(CHALLENGER_DIGEST)) \
	$(if $(CHALLENGER_OF),--challenger-of $(CHALLENGER_OF))

bootstrap: needs-bootstrap $(VENV)/.local ## make the permanent resources of an environment, once: state, key, models, registry, GitHub's role (ENV=dev APPROVE=1)
	@$(BIN)/python -m infra.bootstrapping "$(ENV)"

preflight: needs-preflight $(VENV)/.local ## check the needs of make deploy; tells each fault with its remedy (ENV=dev MODEL=… ARCH=…)
	@$(BIN)/python -m infra.preflight "$(ENV)" $(if $(ARCH),--architecture $(ARCH))

deploy: needs-deploy $(VENV)/.local ## build, push by digest, plan, apply, smoke test (ENV=dev MODEL=… ARCH=arm64 DOORS=1 TRAINING=1 APPROVE=1 CANARY=percent MINUTES=10 BATCHES=20 CHALLENGER=…)
	@$(COMMANDS) deploy "$(ENV)" $(if $(ARCH),--architecture $(ARCH)) $(canary)

plan: needs-plan $(VENV)/.local ## show the changes of the tfvars to the deployment (ENV=dev)
	@$(COMMANDS) plan "$(ENV)"

promote: needs-promote $(VENV)/.local ## release the images of another environment, by the same digests (FROM=dev ENV=prod APPROVE=1 CANARY=percent MINUTES=10 BATCHES=20 CHALLENGER=…)
	@$(COMMANDS) promote "$(ENV)" --source "$(FROM)" $(canary)

publish: needs-publish $(VENV)/.local ## build and push the images, without a deployment (ENV=dev MODEL=… ARCH=arm64 DOORS=1 TRAINING=1)
	@$(COMMANDS) publish "$(ENV)" $(if $(ARCH),--architecture $(ARCH))

release: needs-release $(VENV)/.local ## deploy or promote (FROM), keep a record, and go back if the smoke test fails (ENV=dev MODEL=… DIGEST=… FROM=… CANARY=percent MINUTES=10)
	@$(COMMANDS) release "$(ENV)" $(if $(FROM),--source "$(FROM)") $(if $(ARCH),--architecture $(ARCH)) $(canary)

release-due: needs-release-due $(VENV)/.local ## tell whether GitHub's event needs a release (ENV=dev MODEL=… CHAMPION=s3://… CHAMPION_VERSION=…)
	@$(COMMANDS) release-due "$(ENV)"

releases: needs-releases $(VENV)/.local ## list the releases, with time and reason (ENV=dev)
	@$(COMMANDS) releases "$(ENV)"

release-token: needs-release-token $(VENV)/.local ## give EventBridge GitHub's token, once (ENV=dev)
	@$(COMMANDS) release-token "$(ENV)"

rollback: needs-rollback $(VENV)/.local ## go back to the previous version, smoke test (ENV=dev CONSUMER=name|web|batch TO=version MODEL=… APPROVE=1)
	@$(COMMANDS) rollback "$(ENV)" $(if $(CONSUMER),--consumer $(CONSUMER)) $(if $(TO),--to $(TO))

smoke: needs-smoke $(VENV)/.local ## test each consumer, web and batch with an event of its model (ENV=dev CONSUMER=name|web|batch MODEL=…)
	@$(COMMANDS) smoke "$(ENV)" $(if $(CONSUMER),--consumer $(CONSUMER))

destroy: needs-destroy $(VENV)/.local ## take an environment down; resources with data stay (ENV=dev APPROVE=1)
	@$(BIN)/python -m infra.teardown "$(ENV)"

clean: ## remove all files of make
	@rm -rf $(VENV) .venv-infra .venv-localstack .ci/node/node_modules build dist *.egg-info \
		.coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
