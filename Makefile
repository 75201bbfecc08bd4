# What one does with this repository. Everything but `make` itself and a Python >= 3.11 is fetched: Python packages into .venv,
# exactly as uv.lock says, and (for tests and benchmarks) system packages where that is allowed.

.DEFAULT_GOAL := help
.PHONY: help serve test probe conformance check format bench docs clean

DATA ?= ./data
# Further arguments of the command: make serve ARGS="--address :9000", make test ARGS="tests/unit -k settings -x"
ARGS ?=
# Two test processes: most tests wait for a server or for a disk. Those marked `alone` get the machine for themselves.
TEST_PROCESSES ?= 2

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: ## start a store in ./data and say how to use it
	@scripts/environment
	@exec .venv/bin/zakrom serve --data $(DATA) $(ARGS)

test: ## install what tests need, and run all of them
	@scripts/system-packages test
	@scripts/environment dev compat
	-@.venv/bin/python tests/compat/environments.py
	.venv/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(ARGS)

# Overnight rather than in CI: a hundred kills, thousands of power cuts, 5 GiB, a million keys. Each has its own limit of time.
probe: ## the long forms of the proofs: kills, power cuts, large objects, a million keys
	@scripts/system-packages test
	@scripts/environment dev compat
	ZAKROM_KILL_ROUNDS=100 ZAKROM_POWERCUT_STATES=5000 ZAKROM_LARGE_MIB=5120 ZAKROM_KEYS=1000000 ZAKROM_IDLE_SECONDS=60 \
		.venv/bin/python -m pytest -s --timeout=7200 tests/probe tests/powercut $(ARGS)

# The suite is somebody else's and stays where it is; its results become docs/s3-tests.md.
conformance: ## run ceph/s3-tests from a checkout (CHECKOUT=…) against a fresh server
	@scripts/environment dev
	.venv/bin/python scripts/conformance.py $(CHECKOUT) $(ARGS)

check: ## format, lint, types, imports, generated docs, house rules
	@scripts/environment dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/python scripts/reference.py --check
	.venv/bin/python -m pytest -q -p no:cacheprovider tests/test_tidy.py tests/docs

format: ## put the code into the house's form
	@scripts/environment dev
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: ## measure a fresh Zakrom, or several S3 servers side by side (ARGS="--endpoint …")
	@scripts/system-packages bench
	@scripts/environment dev
	.venv/bin/python benchmarks/bench.py $(ARGS)

docs: ## generate the reference pages and build the site into site/
	@scripts/environment dev docs
	.venv/bin/python scripts/reference.py
	.venv/bin/zensical build --clean --strict

clean: ## remove what was made here, but never data
	rm -rf .venv .venv-tools site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
