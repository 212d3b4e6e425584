# Nightcast. `make help` lists what there is. For make 3.81 and bash 3.2 (macOS) and newer.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(CURDIR)/$(VENV)/bin/python

# The caller's own settings for Python must not reach ours: without bytecode every task would compile Airflow again.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV
export PYTHONPATH := $(CURDIR)/include
# Any `airflow` command would else make ~/airflow.
export AIRFLOW_HOME := $(CURDIR)/.run/airflow

.PHONY: help demo down demo-reset backtest bench backfill-equals-live status psql test test-faults soak lint format docs sbom audit lock env image install install-dev new-pipeline

help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## From nothing to seven published nights of real data; again: resume
	@$(PY) -m nightcast.demo up

down: ## Stop everything that `make demo` started, and only that
	@bash scripts/down.sh $(PY)

demo-reset: install ## Delete the demo's state and start afresh
	@$(PY) -m nightcast.demo reset
	@$(PY) -m nightcast.demo up

backtest: install-dev ## Measure daily_demand's recipe on the published data, for its README (or as ARGS say)
	@$(PY) -m nightcast.demo backtest $(ARGS)

bench: install-dev ## Measure side by side with alternatives and the floor (some: make bench ARGS="extract --quick")
	@$(PY) -m benchmarks $(ARGS)

status: install ## Show what runs and whether it is healthy
	@$(PY) -m nightcast.local status

psql: install ## Read this machine's Postgres as analyst, or: make psql role=postgres database=retail
	@$(PY) -m nightcast.local psql $(or $(role),analyst) $(database)

new-pipeline: install ## Make the folder of a new pipeline: make new-pipeline name=store_visits
	@[ -n "$(name)" ] || { echo "usage: make new-pipeline name=store_visits" >&2; exit 2; }
	@bin/nightcast new $(name)

test: install-dev ## Run all tests (only some: make test ARGS="tests/store -k publish -n 0")
	@$(PY) -m pytest -n 2 --no-loadscope-reorder --durations=15 $(ARGS)

test-faults: install-dev ## Break nights in every way of tests/faults/catalogue.yaml (some: make test-faults ARGS="process --list")
	@PYTHONPATH=$(CURDIR)/include:$(CURDIR)/tests $(PY) -m faults $(ARGS)

soak: install-dev ## Sixty nights with faults at random moments, then every promise (again: make soak ARGS="--seed 7")
	@PYTHONPATH=$(CURDIR)/include:$(CURDIR)/tests $(PY) -m faults soak $(ARGS)

backfill-equals-live: install-dev ## Run 30 nights live and as a backfill into a second database; compare every digest
	@PYTHONPATH=$(CURDIR)/include:$(CURDIR)/tests $(PY) -m steps.backfill_equals_live $(ARGS)

lint: install-dev ## Check format, rules, types, SQL, and the pipelines' folders
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) scripts/lint-sql.py
	@bin/nightcast lint

format: install-dev ## Format the code and apply the safe fixes
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

docs: install-dev ## Generate docs/reference/ and the schema of pipeline.yaml from the code
	@bin/nightcast docs docs/reference
	@bin/nightcast schema > include/pipelines/pipeline.schema.json
	@PYTHONPATH=$(CURDIR)/include:$(CURDIR)/tests $(PY) -m faults.page > docs/reference/faults.md

sbom: install ## List every pinned dependency with its hashes: sbom.cdx.json, in CycloneDX (asks the package index)
	@$(PY) -m uv tool run -q --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.txt --output-reproducible -o sbom.cdx.json
	@$(PY) scripts/check-sbom.py requirements.txt sbom.cdx.json

audit: install ## Ask whether a pinned dependency has a known hole; fails where nobody can be asked (needs the internet)
	@$(PY) -m uv tool run -q pip-audit==2.10.1 --strict --require-hashes --disable-pip -r requirements.txt

lock: install ## Resolve requirements.in and requirements-dev.in into the lock files
	@$(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  -c scripts/lock-caps.txt -o requirements.txt requirements.in
	@$(PY) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  -c requirements.txt -o requirements-dev.txt requirements-dev.in

env: ## Make the secrets that docker-compose.yaml needs, in .env; what is there stays
	@$(or $(wildcard $(PY)),python3) -m nightcast.local.containers env

image: ## Build the image for docker-compose.yaml from this commit (needs Docker)
	@NIGHTCAST_CODE_COMMIT=$$(git describe --always --abbrev=40 --dirty) docker compose build

install:
	@bash scripts/bootstrap.sh $(VENV) requirements.txt

install-dev:
	@bash scripts/bootstrap.sh $(VENV) requirements.txt requirements-dev.txt
