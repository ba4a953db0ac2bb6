# The project's commands. All of them install what they need into .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export RAYFAAS_HOME ?= $(CURDIR)/.rayfaas
# What was compiled is kept, whatever the shell says: else each process of a cluster compiles all of Ray again.
unexport PYTHONDONTWRITEBYTECODE

AIRFLOW := .venv-airflow
LIBRARIES := .venv-libraries

.PHONY: demo up down test unit e2e fuzz lint bench soak airflow libraries clean

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

test: unit e2e  ## all tests

unit: $(INSTALLED)  ## the tests that need no cluster, in two processes: much of their time is waiting
	$(BIN)/python -m pytest -m 'not e2e' -n 2 --dist loadfile

e2e: $(INSTALLED)  ## those that need one, which is one at a time
	$(BIN)/python -m pytest tests/e2e

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

libraries: $(INSTALLED)  ## lineage through the real MLflow, huggingface_hub, h5py, gcsfs, adlfs and s3fs, in an environment of their own
	test -x $(LIBRARIES)/bin/python || $(BIN)/uv venv --quiet --clear --python $(PYTHON) $(LIBRARIES)
	$(BIN)/uv pip install --quiet --python $(LIBRARIES)/bin/python 'mlflow>=3' huggingface_hub h5py \
		gcsfs adlfs s3fs gcp-storage-emulator 'moto[s3,server]' cryptography uv pytest pytest-asyncio -e .
	! command -v npm > /dev/null || npm install --silent --no-save --prefix $(LIBRARIES) azurite
	$(LIBRARIES)/bin/python -m pytest tests/executor/real_libraries.py tests/executor/real_stores.py

clean:
	rm -rf $(VENV) $(AIRFLOW) $(LIBRARIES) build dist *.egg-info
