# `make demo` and `make test` set up .venv by themselves; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= runs/demo

.PHONY: install calibrate measurements fits demo check test test-slow bench notebooks docs lint format clean

# One stamp for the package with its experiments, one for the tools that check it,
# so that a first `make demo` downloads no more than it needs.
$(VENV)/.package: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "interaction-dynamics needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt -e '.[experiments]'
	@touch $@

$(VENV)/.tools: $(VENV)/.package
	$(PIP) install --quiet -c constraints.txt -e '.[experiments,data,torch,shapiq,notebooks,bench,integrations,docs,dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.package
	$(PIP) install --quiet -c constraints.txt -e '.[experiments,torch,docs]'
	@touch $@

install: $(VENV)/.tools

demo: $(VENV)/.package
	$(BIN)/interdyn demo --out $(OUT) $(ARGS)

# Lint, types and tests: what to run before a commit.
check: lint test

test: $(VENV)/.tools
	$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.tools
	$(BIN)/python -m pytest -n 2 -m slow tests

bench: $(VENV)/.tools
	$(BIN)/python tests/benchmarks/run.py

# Every probability that the package prints, measured: writes tests/calibration/README.md.
calibrate: $(VENV)/.tools
	$(BIN)/python tests/calibration/calibrate.py

# The committed measurements of the nine networks, from their training on: some twenty minutes.
measurements: $(VENV)/.tools
	$(BIN)/python notebooks/measurements/data.py --out runs/data
	PATH="$(CURDIR)/$(BIN):$$PATH" sh notebooks/measurements/measure.sh runs/data runs

# The fits that notebooks and README show, from the committed measurements: some forty minutes.
fits: $(VENV)/.package
	for name in digits-mlp digits-cnn digits-transformer breast-cancer-mlp image-vgg image-vit \
	  text-gru text-transformer points-pointnet; do \
	  $(BIN)/interdyn extract notebooks/measurements/$$name.npz --out runs/$$name --overwrite && \
	  $(BIN)/interdyn fit runs/$$name/interactions.npz --overwrite && \
	  cp runs/$$name/fit.json notebooks/measurements/$$name.fit.json || exit 1; \
	done

notebooks: $(VENV)/.tools
	$(BIN)/python -m pytest -m notebook tests/test_notebooks.py

# The documentation, into site/; fails where a link leads nowhere or a public name is unexplained.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
