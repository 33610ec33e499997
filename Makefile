# Two commands: `make demo` runs the whole pipeline on a simulated scan, `make test` runs the tests.
# Everything is set up inside this folder, except uv's download cache. No root is needed.

PYTHON ?= python3
CORES ?= 2
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE ?= hardlink
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# threads that wait leave their core to the other process
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest
IN_PARALLEL := -n $(CORES) --dist loadfile --no-loadscope-reorder
LOCK_FLAGS := --quiet --universal --generate-hashes --no-header --no-annotate --extra test --extra lint

.PHONY: demo test test-slow test-thorough precision-test lint lock slurm-test slurm-test-slow setup

demo: setup
	$(BIN)/snakemake -c$(CORES) --configfile config/experiments/demo.yaml --quiet rules host progress
	@$(BIN)/scan2seg ranking results/reports/demo

# MARKED="not thorough" adds the slow ones, which share with them what they set up
test: setup
	$(PYTEST) $(IN_PARALLEL) $(if $(MARKED),-m "$(MARKED)")

# what is marked slow, which `make test` leaves out
test-slow: setup
	$(PYTEST) $(IN_PARALLEL) -m slow

# every stage under an audit of what it reads, killed, and on a full disk, and every benchmark in its smallest form: about
# three quarters of an hour
test-thorough: setup
	$(PYTEST) $(IN_PARALLEL) -m thorough

# as on a processor that computes with bfloat16 and has no AMX; one without bfloat16 tests float32
precision-test: setup
	ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 $(PYTEST) -k auto_trains tests/conformance/test_architectures.py

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint

lock: $(UV)
	$(UV) pip compile $(LOCK_FLAGS) --upgrade pyproject.toml -o envs/requirements.lock

slurm-test: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/slurm

# what is marked slow of them, which `.ci/run` leaves out
slurm-test-slow: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/slurm -m slow

setup: .venv/ready

.venv/ready: envs/requirements.lock pyproject.toml | $(UV)
	@echo "Setting up .venv (several GB, once; about a minute with a fast network)"
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --compile-bytecode envs/requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv
