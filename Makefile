# The project's commands. All of them install what they need into .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export RAYFAAS_HOME ?= $(CURDIR)/.rayfaas

AIRFLOW := .venv-airflow

.PHONY: demo up down test unit fuzz lint bench soak airflow clean

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[all,demo,dev,bench,prefect]'
	touch $@

demo: $(INSTALLED)  ## deploy, call, edit and query a function, then stop all that was started
	$(BIN)/python examples/demo.py

up: $(INSTALLED)  ## start the server and its cluster, print URL and token
	$(BIN)/rayfaas up

down: $(INSTALLED)  ## stop them
	$(BIN)/rayfaas down

test: $(INSTALLED)  ## all tests
	$(BIN)/python -m pytest

unit: $(INSTALLED)  ## the tests that need no cluster
	$(BIN)/python -m pytest -m 'not e2e'

fuzz: $(INSTALLED)  ## 5,000 requests by what /openapi.json says, and by what it forbids
	$(BIN)/python -m pytest tests/e2e/test_openapi.py --cases 5000 -s

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)  ## measure this and its neighbours in one run
	$(BIN)/python -m benchmarks

soak: $(INSTALLED)  ## what grows when 400 functions come and go and one is deployed 2,000 times
	$(BIN)/python -m benchmarks.soak

airflow: $(INSTALLED)  ## a DAG that calls deployed functions; Airflow has an environment of its own
	test -x $(AIRFLOW)/bin/airflow || $(BIN)/uv venv --quiet --clear --python $(PYTHON) $(AIRFLOW)
	$(BIN)/uv pip install --quiet --python $(AIRFLOW)/bin/python 'apache-airflow>=3' -e .
	$(BIN)/python -m pytest tests/e2e/airflow_dag.py

clean:
	rm -rf $(VENV) $(AIRFLOW) build dist *.egg-info
