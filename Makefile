# Two commands do everything: `make report` and `make test`. Both build the environment first, once.
# `make check-documents` looks at the reports as their readers do, in a browser and in LibreOffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER_READY := $(VENV)/.ready-documents
EXAMPLES := $(notdir $(patsubst %/trial.toml,%,$(wildcard examples/*/trial.toml)))
REPORTS := build/reports
FORMATS := html,pdf,docx,rtf,ipynb
MADE := $(EXAMPLES:%=$(REPORTS)/%/manifest.json)
# A report is older than what it is made of: the code, the example and the packages.
SOURCES := $(shell find outcomes synthetic_data analyses reports examples -type f -not -path '*/__pycache__/*')

.PHONY: report verify test check-documents lint types layers check lock clean $(EXAMPLES:%=verify-%)

report: $(READY)
	@$(MAKE) --no-print-directory -j2 $(MADE)
	@echo
	@echo "The reports:"
	@for example in $(EXAMPLES); do echo "  $(CURDIR)/$(REPORTS)/$$example/report.html"; done

$(MADE): $(REPORTS)/%/manifest.json: $(READY) $(SOURCES)
	@$(BIN)/tandem report examples/$*/trial.toml -o $(REPORTS)/$* --format $(FORMATS)

# Build each report a second time and compare it with the first.
verify: report
	@$(MAKE) --no-print-directory -j2 $(EXAMPLES:%=verify-%)

$(EXAMPLES:%=verify-%): verify-%:
	@$(BIN)/tandem verify $(REPORTS)/$*

test: $(READY)
	$(BIN)/python -m pytest -n auto -q

# What only a browser, LibreOffice and poppler can tell; a program that is missing is named.
check-documents: $(BROWSER_READY) report
	$(BIN)/python -m pytest -n 2 -q tests/documents

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

$(BROWSER_READY): requirements-documents.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-documents.lock
	@touch $@

# Renew the lock files (needs uv); they must hold no index address. The second adds to the first.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
EXTRA := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["documents"], sep="\n")
lock:
	$(LOCK) pyproject.toml --extra dev -o requirements.lock
	$(PYTHON) -c '$(EXTRA)' | $(LOCK) - --constraint requirements.lock --no-annotate -o requirements-documents.lock

clean:
	rm -rf $(VENV) build
