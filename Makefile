# Everything from nothing: these targets need Python 3.11 or newer, make and git; the rest they fetch into .venv.

SHELL := /bin/sh
PY := .venv/bin/python
RUNTIME := .venv/.runtime.stamp
DEV := .venv/.dev.stamp
PYTEST := -m pytest -n 2

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench docs lock clean soak

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# `exec` makes Ctrl-C reach the program itself, which then stops in order.
demo: $(RUNTIME) ## The dashboard with moving, simulated numbers
	@exec $(PY) -m observatory demo

run: $(RUNTIME) ## The dashboard against the services of the environment or observatory.toml
	@exec $(PY) -m observatory serve

test: $(DEV) ## Every test, the browser ones too
	@CHROMIUM="$$($(PY) tests/support/browser.py)" && export CHROMIUM && rm -f .coverage .coverage.* \
		&& exec $(PY) $(PYTEST) --cov --cov-report=term

check: $(DEV) ## Format, lint, types, layers, spelling
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/codespell .

bench: $(DEV) ## Benchmarks; results go to bench/results
	@exec $(PY) -m bench

soak: $(DEV) ## The slow tests in full size: every kill, every hour
	@CHROMIUM="$$($(PY) tests/support/browser.py)" && export CHROMIUM && exec env TEST_SIZE=full $(PY) -m pytest -m slow

docs: $(DEV) ## Write the generated parts of the documentation
	@exec $(PY) docs/generate.py

# pip-compile would do too; uv resolves for every platform at once. It is no requirement of anything but this target.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: ## Resolve requirements*.in again and lock them with hashes
	@command -v uv > /dev/null || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 1; }
	@$(LOCK) --upgrade requirements.in --output-file requirements.txt
	@$(LOCK) --upgrade requirements-dev.in --output-file requirements-dev.txt

clean: ## Remove what was made, not your data: ./var stays
	@rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp holds the hash of the lock it was made from, so the second time costs nothing and a new lock is noticed
# whatever the clock of the checkout says. The program itself is installed without resolving anything.
$(RUNTIME): FORCE
	@sh tools/install.sh requirements.txt $@

$(DEV): FORCE
	@sh tools/install.sh requirements-dev.txt $@

.PHONY: FORCE
FORCE:
