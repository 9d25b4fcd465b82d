# Two commands do everything: `make report` and `make test`. Both build the environment first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXAMPLES := $(notdir $(patsubst %/trial.toml,%,$(wildcard examples/*/trial.toml)))
REPORTS := build/reports

.PHONY: report test lint types layers check lock clean $(EXAMPLES:%=report-%)

report: $(READY)
	@$(MAKE) --no-print-directory -j2 $(EXAMPLES:%=report-%)
	@echo
	@echo "The reports:"
	@for example in $(EXAMPLES); do echo "  $(CURDIR)/$(REPORTS)/$$example/report.html"; done

$(EXAMPLES:%=report-%): report-%: $(READY)
	@$(BIN)/tandem report examples/$*/trial.toml -o $(REPORTS)/$*

test: $(READY)
	$(BIN)/python -m pytest -n auto -q

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

check: test lint types layers

# The environment: a virtual environment in the tree, from the pinned and hashed lock file alone.
$(READY): requirements.lock pyproject.toml outcomes/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tandem needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Renew the lock file (needs uv); it must hold no index address.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock

clean:
	rm -rf $(VENV) build
