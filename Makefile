# Kho: `make help` explains every target. uv is fetched from PyPI when it is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
export DAGSTER_DISABLE_TELEMETRY := yes
export DBT_SEND_ANONYMOUS_USAGE_STATS := 0
export UV_LINK_MODE ?= copy

UV := $(shell command -v uv 2>/dev/null)
ifeq ($(UV),)
UV := .uv/bin/uv
endif
RUN := $(UV) run --frozen --no-sync

.PHONY: help install demo province up test check bench soak clean format

help: ## this list
	@echo "Kho – kho dữ liệu dùng chung tỉnh Bắc Ninh / the shared data warehouse of Bac Ninh"; echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo; echo "  Variables: KHO_HOME (default .kho), WAREHOUSE_URL (default: embedded PostgreSQL), ROWS and BENCH for bench"

.uv/bin/uv:
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv

install: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv) ## the environment in .venv, as the lock file says (about a minute)
	@$(UV) sync --frozen --quiet --compile-bytecode

demo: install ## three nights of a simulated province, from empty to released (about three minutes)
	@$(RUN) python -m simulator.demo

province: install ## two nights of every agency of the simulated province, and who is told what (needs MariaDB's server)
	@$(RUN) python -m simulator.demo --all

up: install ## Dagster UI on http://127.0.0.1:3000 with its daemon; Ctrl-C stops everything
	@$(RUN) kho up

test: install ## every test a change must pass
	@$(RUN) pytest -q -n 2 --dist loadgroup

check: install ## format, lint, imports, types, Dagster definitions, contracts, dbt project, SQL
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) lint-imports
	@$(RUN) mypy
	@$(RUN) kho contract check
	@$(RUN) dg check defs
	@$(RUN) kho dbt parse
	@$(RUN) sqlfluff lint --disable-progress-bar dbt_project/models

format: install ## put the code into its format
	@$(RUN) ruff format . && $(RUN) ruff check --fix .

bench: install ## measure against the peers and the floor: BENCH=<name> for one, ROWS=<n> for less than 3.6 million
	@$(UV) sync --frozen --quiet --group bench
	@$(UV) run --frozen --group bench python -m benchmarks $(BENCH)

soak: install ## the long runs: a thousand kills, many property examples; prints seeds and a table
	@$(RUN) python -m tests.soak

clean: ## stop the embedded server and remove the demo's warehouse and the environment
	@-$(RUN) kho stop 2>/dev/null
	@rm -rf .kho .venv .uv
