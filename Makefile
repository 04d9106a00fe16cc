PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES_IN_C = $(shell find rnnlayers tests -name '*.[ch]' -o -name '*.cc')

.PHONY: help setup demo docs native test test-all test-native test-gpu coverage test-oldest lint format lock bench bench-gpu clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

setup: $(VENV)/.ready native ## Create .venv from requirements.lock, and build the native engine

# The stamp is written last: an interrupted set-up is taken up again by the next command.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	RNNLAYERS_NATIVE=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-build-isolation --no-deps --editable .
	@touch $@

# Where there is no C++ compiler it says so, and everything works without the engine.
native: $(VENV)/.ready ## Build the native engine, if its sources have changed
	@$(BIN)/python rnnlayers/engines/native/build.py

demo: setup ## Run every application end to end on its embedded sample, or APP=<application>
	$(BIN)/python -m apps.demo $(APP)

test: setup ## Run the test suite
	$(BIN)/python -m pytest

test-all: setup ## Run the test suite with the slow tests, for an hour
	$(BIN)/python -m pytest -m ""

test-native: setup ## Test the kernels of the native engine with sanitizers
	$(BIN)/python -m tests.engines.native

docs: setup ## Build the site into .site/public; a link that leads nowhere is an error
	$(BIN)/python -m docs.site.build

# TensorFlow multiplies float32 as TF32 by default, which the tolerances do not allow for.
test-gpu: setup ## Test the engines on a GPU, with TensorFlow's GPU libraries installed
	NVIDIA_TF32_OVERRIDE=0 $(BIN)/python -m pytest -n 0 -m gpu tests/engines tests/export

coverage: setup ## Run the test suite and print which lines of the library it does not reach
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

test-oldest: ## Run the tests of the library on the oldest Keras and TensorFlow it admits
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		"tensorflow==2.19.*" "keras==3.10.*" pytest pytest-xdist hypothesis
	$(VENV)-oldest/bin/python -m pytest tests/cells tests/layers tests/engines tests/testing \
		tests/models tests/decoding tests/optimizers

lint: setup ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(SOURCES_IN_C)
	$(BIN)/mypy

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(SOURCES_IN_C)

lock: ## Pin the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --extra onnx --extra litert --group dev \
		--output-file requirements.lock pyproject.toml

bench: setup ## Measure; results go to benchmarks/results
	$(BIN)/python -m benchmarks

bench-gpu: setup ## Measure on a GPU, next to Keras and PyTorch; half an hour
	$(BIN)/python -m benchmarks.gpu

clean: ## Remove the environment, runs and exports
	rm -rf $(VENV) $(VENV)-oldest runs dist .site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f rnnlayers/engines/native/*.so
	find saved_models -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
