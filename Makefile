# One place for every command; `make help` lists them. Needs Python 3.11+ and a package index.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
# Programs start by the hundred in tests; each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help install demo test unit lint regression notebooks clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(BIN)/.installed ## make .venv with everything in it

$(BIN)/.installed: pyproject.toml constraints.txt overrides.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --override overrides.txt -e '.[all]' --group dev
	touch $@

demo: install ## draw a small video and ask it a question
	$(BIN)/videochat demo build/demo.mp4

test: install ## run all tests
	$(BIN)/python -m pytest

unit: install ## run the rooms' own tests: no sockets, no weights, no real clips
	$(BIN)/python -m pytest -m "not material" --ignore tests/contracts --ignore tests/stories

lint: install ## style, then types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

regression: install ## ask a hundred questions, and compare with the last entry of the history
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.regression

notebooks: install ## run every notebook from top to bottom
	$(BIN)/python -m tests.run_notebooks

clean: ## remove what make made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
