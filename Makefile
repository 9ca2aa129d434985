# Each target makes the environment .venv where it is missing and installs what it needs into it
# once: a stamp per set of extras says it is there, and a newer pyproject.toml makes it stale.

PYTHON = python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip -q --disable-pip-version-check install
OUT = demo
# Two processes of tests; each file stays in one of them, with what its fixtures have compiled.
PYTEST = -m pytest -n 2 --dist loadfile --benchmark-disable
TEST = $(BIN)/python $(PYTEST)

.PHONY: help demo test test-slow test-lowest test-newest lint format docs bench check check-counts check-detection \
    check-exceedance clean

help:
	@echo "make demo       classify and locate a simulated detection; pictures go to $(OUT)/"
	@echo "make test       run the tests, without the slow ones"
	@echo "make test-slow  run the slow tests: simulations, samplers, the wheel, examples in docstrings"
	@echo "make test-lowest, test-newest  the tests with the lowest and the newest dependencies"
	@echo "make lint       ruff, pyright and the import contracts"
	@echo "make format     let ruff put the files in form"
	@echo "make docs       build the pages in docs/_build/html; runs the examples"
	@echo "make bench      measure the speed of the compiled cores"
	@echo "make check      hold the fits to slow oracles: optimum, calibration, real phones"
	@echo "make check-counts  false alarms of thresholds, calibration of samplers, 1e8 windows; hours"
	@echo "make check-detection  the sequential posterior: study of 2023, alarms, true probabilities"
	@echo "make check-exceedance  all rules of alarm at all thresholds, on simulated earthquakes"
	@echo "make clean      remove .venv and all that was built"

demo: .venv/.with-plots
	$(BIN)/eqstat demo --out $(OUT)

test: .venv/.with-test
	$(TEST) -m "not slow"

test-slow: .venv/.with-test
	$(TEST) -m slow
	$(TEST) --doctest-modules eqstat

# The same tests with the lowest versions that pyproject.toml admits, and with the newest.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) scripts/lowest_versions.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip -q install -e ".[test]" -c .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PYTEST) -m "not slow"

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

bench: .venv/.with-test
	$(BIN)/python -m pytest benchmarks --benchmark-only

check: .venv/.with-test
	$(BIN)/python validation/check_optimum.py
	$(BIN)/python validation/check_calibration.py
	@if [ -n "$$EQSTAT_DATA" ]; then $(BIN)/python validation/check_phones.py \
	    && $(BIN)/python validation/check_detection_phones.py; \
	else echo "EQSTAT_DATA is not set: the phones of Borrego Springs are left out"; fi

check-counts: .venv/.with-test
	$(BIN)/python validation/check_counts_scale.py
	$(BIN)/python validation/check_counts_scale.py --nuts
	$(BIN)/python validation/check_counts_scale.py --nuts --shocks
	$(BIN)/python validation/check_false_alarms.py --histories 200 --out .false_alarms.jsonl
	for null in poisson negative_binomial beta_binomial; do \
	    $(BIN)/python validation/check_counts_sbc.py --datasets 300 --null $$null \
	        --out .sbc.jsonl || exit 1; \
	    $(BIN)/python validation/check_counts_sbc.py --datasets 300 --null $$null+shocks \
	        --chains 1 --out .sbc.jsonl || exit 1; \
	done

check-detection: .venv/.with-test
	$(BIN)/python validation/check_detection_study.py --locate 150
	$(BIN)/python validation/check_detection_alarms.py
	$(BIN)/python validation/check_detection_truth.py --number 10000 --locate 1000
	$(BIN)/python validation/check_detection_truth.py --faster 0.06
	@if [ -n "$$EQSTAT_DATA" ]; then $(BIN)/python validation/check_detection_phones.py \
	    && $(BIN)/python validation/check_detection_ceus.py; \
	else echo "EQSTAT_DATA is not set: phones of Borrego Springs, picks of the US are left out"; fi
	@if $(BIN)/python -c "import pyocto" 2>/dev/null; then \
	    $(BIN)/python validation/check_detection_associator.py; \
	else echo "PyOcto is not installed: the comparison with an associator is left out"; fi

check-exceedance: .venv/.with-test
	$(BIN)/python validation/check_exceedance_alerts.py
	$(BIN)/python validation/check_exceedance_alerts.py --least-lead 3
	$(BIN)/python validation/check_exceedance_sbc.py
	@if [ -n "$$EQSTAT_DATA" ]; then $(BIN)/python validation/check_exceedance_ridgecrest.py; \
	else echo "EQSTAT_DATA is not set: the ground motions of Ridgecrest are left out"; fi

.venv/.made:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.with-plots: .venv/.made pyproject.toml
	@echo "Installing eqstat[plots] into .venv (once, a few minutes)"
	$(PIP) -e ".[plots]"
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
	rm -rf .venv .venv-lowest .venv-newest build dist docs/_build docs/api docs/examples .pytest_cache .ruff_cache
	rm -rf .hypothesis .benchmarks .import_linter_cache
