# Each target makes the environment .venv where it is missing and installs what it needs into it
# once: a stamp per set of extras says it is there, and a newer pyproject.toml makes it stale.

PYTHON = python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip -q --disable-pip-version-check install
OUT = demo
# Sets in one order in every process: NumPyro flattens distributions by it, and a program is found
# again in the compilation cache only if its arguments keep their order.
export PYTHONHASHSEED = 0
# The processes of tests have the cores; threads of BLAS that wait for each other would take them.
export OPENBLAS_NUM_THREADS = 1
# Two processes of tests; each file stays in one of them, with what its fixtures have compiled.
PYTEST = -m pytest -n 2 --dist loadfile --benchmark-disable
TEST = $(BIN)/python $(PYTEST)

.PHONY: help demo serve-demo test test-slow test-long test-examples test-lowest test-newest lint format docs docs-draft bench \
    validate spell links clean

help:
	@echo "make demo       follow one simulated earthquake from trigger counts to lead times; in $(OUT)/"
	@echo "make serve-demo run a broker, phones, a detector service and its page until interrupted"
	@echo "make test       run the tests that take at most a few seconds"
	@echo "make test-slow  run the tests of some seconds and more"
	@echo "make test-long  run the longest tests: simulations, samplers, the wheel"
	@echo "make test-examples  run the examples in docstrings"
	@echo "make test-lowest, test-newest  the tests with the lowest and the newest dependencies"
	@echo "make lint       ruff, pyright and the import contracts"
	@echo "make format     let ruff put the files in form"
	@echo "make docs       build the pages in docs/_build/html; runs the examples"
	@echo "make docs-draft  the same in docs/_build/draft without running anything; a minute"
	@echo "make bench      measure the speed of the compiled cores"
	@echo "make validate   run the statistical checks that have no results yet; about a day for all"
	@echo "make spell, links  check the spelling; check the links of the built pages"
	@echo "make clean      remove .venv and all that was built"

demo: .venv/.with-plots
	$(BIN)/eqstat demo --out $(OUT)

# Mosquitto where it is installed, else the embedded broker. The page is at http://127.0.0.1:8080/.
serve-demo: .venv/.with-service
	$(BIN)/python scripts/serve_demo.py $(SERVE)

test: .venv/.with-test
	$(TEST) -m "not slow"

test-slow: .venv/.with-test
	$(TEST) -m "slow and not long"

test-long: .venv/.with-test
	$(TEST) -m long

test-examples: .venv/.with-test
	$(TEST) --doctest-modules eqstat

# The same tests with the lowest versions that pyproject.toml admits, and with the newest.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) scripts/lowest_versions.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip -q install -e ".[test]" -c .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PYTEST) -m "not slow" -W ignore::DeprecationWarning

test-newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip -q install --upgrade --upgrade-strategy eager -e ".[test]"
	.venv-newest/bin/python $(PYTEST) -m "not slow"

lint: .venv/.with-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: .venv/.with-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.with-docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# Without running the code of pages: no figures, but all else.
docs-draft: .venv/.with-docs
	$(BIN)/python -m sphinx -W --keep-going -D nb_execution_mode=off -b html docs docs/_build/draft

bench: .venv/.with-test
	$(BIN)/python -m pytest benchmarks --benchmark-only

# Which checks, and how: make validate VALIDATE="optimum --again".
validate: .venv/.with-test
	$(BIN)/python validation/run.py $(VALIDATE)

# Spelling, and the links between pages and files; neither uses the network.
spell: .venv/.with-docs
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs examples eqstat tests validation benchmarks

links: .venv/.with-docs
	$(BIN)/python docs/check_links.py docs/_build/html

.venv/.made:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.with-plots: .venv/.made pyproject.toml
	@echo "Installing eqstat[plots] into .venv (once, a few minutes)"
	$(PIP) -e ".[plots]"
	@touch $@

.venv/.with-service: .venv/.made pyproject.toml
	@echo "Installing eqstat[service,broker] into .venv (once, a few minutes)"
	$(PIP) -e ".[service,broker]"
	@touch $@

.venv/.with-test: .venv/.made pyproject.toml
	@echo "Installing eqstat[test] into .venv (once, a few minutes)"
	$(PIP) -e ".[test]"
	@touch $@

.venv/.with-docs: .venv/.made pyproject.toml
	@echo "Installing eqstat[docs] into .venv (once, a few minutes)"
	$(PIP) -e ".[docs]"
	@touch $@

clean:
	rm -rf .venv .venv-lowest .venv-newest build dist docs/_build docs/api docs/examples docs/shell .pytest_cache .ruff_cache
	rm -rf .hypothesis .benchmarks .import_linter_cache
