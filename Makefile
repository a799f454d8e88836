# QUALISYS. Needs Python 3.11+, make and git; everything else is installed into this folder.

.DEFAULT_GOAL := list
PY := .venv/bin/python
ARGS ?=

.PHONY: list help
list help: ## what there is (this list)
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { split($$1, names, " "); printf "  make %-12s %s\n", names[1], $$2 }' Makefile

# --- Running -------------------------------------------------------------------------------------------------

.PHONY: run doctor
run: .venv/.runtime ## start everything, print addresses and logins; Ctrl-C stops it, the data stays
	@exec $(PY) -m qualisys.embedded

doctor: .venv/.runtime ## check an installation and say what to mend
	@$(PY) manage.py doctor

# --- Judging -------------------------------------------------------------------------------------------------

.PHONY: test promises bench eval
test: .venv/.complete chromium ## all tests, against real servers (ARGS="-k budget" chooses)
# Promises about time are hard to judge beside another test on a small machine: what fails is judged again, alone.
	$(PY) -m pytest -n 2 $(ARGS) || { echo "judging what failed again, alone"; \
		$(PY) -m pytest --last-failed --last-failed-no-failures none $(ARGS); }

promises: .venv/.complete ## the promise tests at full size, with figures
	QUALISYS_PROMISES=full $(PY) -m pytest -m promise $(ARGS)

bench: .venv/.complete ## the benchmarks: tables here, JSON beside them
	$(PY) -m benchmarks $(ARGS)

eval: .venv/.runtime ## score the built-in agents on a real provider
	$(PY) -m agents.builtin.evaluate $(ARGS)

# Settings want servers to be named; these checks connect to none.
OFFLINE := env DATABASE_ROLE=app DATABASE_URL=postgresql://app:none@127.0.0.1:1/none \
	DATABASE_OWNER_URL= REDIS_URL=redis://127.0.0.1:1/0 DEBUG=no ALLOWED_HOSTS=qualisys.example \
	SECRET_KEY=for-checks-that-connect-to-nothing-and-sign-nothing-0123456789
CHECKS := check-format check-lint check-types check-layers check-migrations check-deploy check-openapi

.PHONY: check $(CHECKS)
check: $(CHECKS) ## format, lint, types, layers, migrations, deployment settings, OpenAPI snapshot

$(CHECKS): .venv/.complete

check-format:
	.venv/bin/ruff format --check .

check-lint:
	.venv/bin/ruff check .

check-types:
	$(OFFLINE) .venv/bin/mypy .

check-layers:
	.venv/bin/lint-imports

check-migrations:
	$(OFFLINE) $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

check-deploy:
	$(OFFLINE) $(PY) manage.py check --deploy --fail-level WARNING

check-openapi:
	$(OFFLINE) $(PY) manage.py openapi --check

# --- Installing ----------------------------------------------------------------------------------------------

# The first Python on the path that is new enough; none is ever downloaded.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' 2>/dev/null && break; \
	done)
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
SYNC = UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --frozen --all-extras --python "$(PYTHON)"

.PHONY: python chromium
.venv/.runtime: pyproject.toml uv.lock | python $(filter .tools/%,$(UV))
	$(SYNC) --no-dev --inexact
	@touch $@

.venv/.complete: pyproject.toml uv.lock | python $(filter .tools/%,$(UV))
	$(SYNC)
	@touch .venv/.runtime $@

.tools/bin/uv: | python
	@echo "uv is not on the path: installing it into .tools"
	@"$(PYTHON)" .ci/bring_uv.py .tools

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (python3)" >&2; exit 1; }

CHROMIUM := chromium chromium-browser google-chrome
chromium:
	@for name in $(CHROMIUM); do command -v $$name && exit; done >/dev/null; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Chromium for the browser tests"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get install -y chromium || { apt-get update && apt-get install -y chromium; }; } >/dev/null 2>&1 && exit; \
	fi; \
	echo "no Chromium here: the browser tests will be skipped"

# --- Cleaning ------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## remove what was installed and cached (ALL=1: also .qualisys, the data of `make run`)
	rm -rf .venv .tools .qualisys-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	$(if $(filter 1,$(ALL)),rm -rf .qualisys)
