#   make help    this list
# Two commands do everything on a fresh machine with Python 3.11 and make:
#   make demo    environment, install, then a governed generation anyone can watch
#   make test    the whole test suite
#   make check   linters, types, house rules and documents that must agree with the code
#   make docs    write docs/cli.md and docs/settings.md from the code
#   make bench   what governance costs, against bare diffusers
#   make train   make the embedded model again (hours; see training/README.md)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test check docs bench train format clean

help:
	@sed -n 's/^#   //p' Makefile

install: $(STAMP)

$(STAMP): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "guardrail needs Python 3.11 or newer"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable . --requirement requirements-dev.txt
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: check
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.house

docs: $(STAMP)
	$(BIN)/python -m tests.docs

bench: $(STAMP)
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.startup

train: $(STAMP)
	$(BIN)/python -m training

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist build
