.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
OLDEST_PYTHON ?= python3.11
# ONLY=gradient_check draws one figure, ONLY="a b" two
ONLY ?=

# A virtual environment of this Python, in this folder, whole or not at all: Debian's python3 alone makes one without pip.
define make_venv
$(1) -m venv $(2) && $(2)/bin/python -m pip --version > /dev/null || { rm -rf $(2); \
	echo "$(1) could not make a virtual environment with pip; on Debian and Ubuntu that takes a package:"; \
	echo "  sudo apt install $$($(1) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; exit 1; }
endef

help:  ## Say what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | while IFS='|' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

figures: $(VENV)/installed  ## Draw every figure into build/figures (ONLY=gradient_check: just that one)
	$(BIN)/python figures/draw.py $(ONLY)

pictures: $(VENV)/installed  ## Draw every figure again and renew the committed ones, figures/pictures
	$(BIN)/python figures/draw.py --copy-to figures/pictures $(ONLY)

test: $(VENV)/installed-test  ## Run the tests
	$(BIN)/python -m pytest

test-long: $(VENV)/installed-test $(VENV)/installed-cluster  ## Run the tests at length, those on a Dask cluster too
	$(BIN)/python -m pytest --long

test-oldest: $(OLDEST)/installed  ## Run the tests with the oldest Python and the oldest versions that setup.cfg allows
	$(OLDEST)/bin/python -m pytest

mutants: $(VENV)/installed-mutants  ## Make every line wrong once, and see whether its tests notice (ONLY="gram.py": one file)
	$(BIN)/python tests/mutants.py $(ONLY)

book: $(VENV)/installed-book  ## Build the course as an HTML book, build/book/index.html; it runs every chapter
	$(BIN)/python chapters/make_index.py
	rm -rf build/book
	$(BIN)/python -m sphinx -W --keep-going -E -d build/book-doctrees chapters build/book

notebooks: $(VENV)/installed-book  ## Write every chapter as a Jupyter notebook, build/notebooks
	$(BIN)/python chapters/make_notebooks.py

verify: $(VENV)/installed  ## Compute both sides of every statement of the papers, as one table
	$(BIN)/python -m minimal_gd.verify

lint: $(VENV)/installed-lint  ## Check style with ruff, and types with mypy and pyright
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m mypy minimal_gd
	$(BIN)/python .ci/readme_types.py

bench: $(VENV)/installed-peers  ## Time ours next to torch, JAX and neural-tangents (ONLY="step-*": some rows)
	$(BIN)/python benchmarks/bench.py $(if $(ONLY),--only $(ONLY))

bench-renew: $(VENV)/installed-peers  ## The same, and renew the committed results and the table of the README
	$(BIN)/python benchmarks/bench.py $(if $(ONLY),--only $(ONLY)) --out benchmarks/results --readme

bench-limits: $(VENV)/installed  ## Time more of the limits of infinite width (benchmarks/README.md)
	$(BIN)/python benchmarks/limits.py

clean:  ## Remove the virtual environments and everything that was built
	rm -rf $(VENV) $(OLDEST) build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "minimal_gd needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	$(call make_venv,$(PYTHON),$(VENV))

$(VENV)/installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# What does not install is skipped by the benchmark.
$(VENV)/installed-peers: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[bench]" || for peer in torch jax; do \
		$(BIN)/python -m pip install --quiet $$peer || echo "$$peer does not install here"; done
	touch $@

$(VENV)/installed-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

$(OLDEST)/installed: setup.cfg pyproject.toml .ci/oldest.py
	@command -v $(OLDEST_PYTHON) > /dev/null || { echo "no Python 3.11 here: make OLDEST_PYTHON=/path/to/python3.11"; exit 1; }
	$(call make_venv,$(OLDEST_PYTHON),$(OLDEST))
	$(OLDEST)/bin/python .ci/oldest.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/constraints.txt --editable ".[test]"
	touch $@

.PHONY: help figures pictures verify book notebooks test test-long test-oldest mutants lint bench bench-renew bench-limits clean
