# make report [STUDY=laptop]: from nothing to a report in the browser.   make test: lint, types and every test.
# make bench [CASES="ppo scoring"]: how fast, against what others do the same with.
STUDY ?= laptop
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export OMP_WAIT_POLICY := PASSIVE
# as in a worker of a study, and for both sides alike
BENCH := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 $(BIN)/python

.PHONY: report test setup check clean bench

report: setup
	@$(BIN)/overopt report $(STUDY)

test: setup check
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

bench: setup .venv-bench/ready
	@$(BENCH) -m benchmarks $(CASES)
	@$(if $(CASES),,$(BENCH) -m benchmarks.cost)
	@$(if $(CASES),,$(BENCH) -m benchmarks.planning)

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "make: found $$($(PYTHON) --version 2>&1) at '$(PYTHON)'; expected Python 3.11 (make PYTHON=/path/to/python3.11)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned packages into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install -qq --requirement requirements.txt
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

.venv-bench/ready: requirements.txt benchmarks/requirements.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@echo "installing TRL, to measure against, into .venv-bench (a few minutes the first time)"
	@grep -v '^trl==' requirements.txt > .venv-bench/shared.txt
	@.venv-bench/bin/python -m pip install -qq --constraint .venv-bench/shared.txt --requirement benchmarks/requirements.txt
	@touch $@

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:
	rm -rf _build store
