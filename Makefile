# Thin names for the scripts; the scripts are the truth.
PYTHON_BIN = .venv/bin

.PHONY: help demo test lint type format docs clean

help:
	@echo "make demo    set up, then train cfg/csppeleenet-efm.cfg (built-in data unless COCO is there)"
	@echo "make test    set up, then lint, types and tests, as CI does"
	@echo "make lint    ruff only          make type    mypy only"
	@echo "make format  let ruff rewrite   make docs    build the documentation into site/"
	@echo "make clean   remove the environments, builds and caches"

demo:
	@bash scripts/demo.sh

test:
	@bash scripts/test.sh

lint:
	@bash scripts/setup-env.sh dev
	@$(PYTHON_BIN)/ruff check .
	@$(PYTHON_BIN)/ruff format --check .

type:
	@bash scripts/setup-env.sh dev
	@$(PYTHON_BIN)/mypy

format:
	@bash scripts/setup-env.sh dev
	@$(PYTHON_BIN)/ruff check --fix .
	@$(PYTHON_BIN)/ruff format .

docs:
	@bash scripts/docs.sh

clean:
	rm -rf .venv .venv-docs site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find csptrain tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
