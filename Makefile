# make demo       set up, simulate a city, pre-train, fine-tune, track, score: one report
# make test       set up, then the tests
# make test-long  the checks that take minutes
# make build      compile the ops into the checkout
# make lint       ruff and mypy
# make gpu        on a machine with a GPU: build, CUDA tests, compute-sanitizer, benchmarks, one report
# make sanitize        the kernels without torch under the sanitizers of addresses, undefined behaviour and threads
# make cross-aarch64   the libraries for 64-bit Arm, with g++-aarch64-linux-gnu
# make many-torches    the tests of ops on one wheel beside other versions of torch, which it downloads
#
# TORCH_INDEX=URL takes torch from another index (such as the one of CPU builds), VENV=DIR sets the environment's folder,
# GEOPT_CUDA=0 leaves CUDA out.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
JOBS ?= 2
DEMO ?= runs/demo
PY := $(VENV)/bin/python
# Threads that spin while they wait starve the others on a shared machine.
export OMP_WAIT_POLICY = passive
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup build demo test test-long gpu lint sanitize cross-aarch64 many-torches clean

help:
	@sed -n '1,9p' Makefile | cut -c3-

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

$(VENV)/.geopt: $(VENV)/.torch pyproject.toml setup.py
	$(PY) -m pip install -q "setuptools>=77" wheel ninja "pybind11>=2.13" "numpy>=1.26,<3"
	$(PY) -m pip install -q --no-build-isolation -e ".[all,dev]"
	@touch $@

setup: $(VENV)/.geopt

build: setup
	$(PY) setup.py -q build_ext --inplace

demo: build
	$(VENV)/bin/geopt demo $(DEMO)

# CUDA for one architecture only: enough to prove that everything compiles, links and loads.
test test-long many-torches: export GEOPT_CUDA_ARCHS ?= 90

test: build
	$(PY) -m pytest -n $(JOBS) -m "not long" tests

test-long: build
	$(PY) -m pytest -n $(JOBS) -m long tests

# With the machine's own python, torch and compilers: nothing is installed, and no network is asked.
gpu:
	$(PYTHON) benchmarks/gpu.py

lint: setup
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy geopt

sanitize:
	$(MAKE) -C csrc/tests
	$(MAKE) -C csrc/tests SANITIZE=thread WHAT=threads

cross-aarch64: export GEOPT_CUDA = 0
cross-aarch64: export CXX = aarch64-linux-gnu-g++
cross-aarch64: export SETUPTOOLS_EXT_SUFFIX = .aarch64-linux-gnu.so
cross-aarch64: setup
	$(PY) setup.py -q build_ext --build-lib build/aarch64

many-torches: setup
	$(PY) benchmarks/many_torches.py

clean:
	rm -rf build dist *.egg-info geopt/*.so
