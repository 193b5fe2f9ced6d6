# make report [STUDY=laptop]: from nothing to a report in the browser.   make test: lint, types and every test.
# make pdf [STUDY=laptop]: the same report, and all of it as one PDF.
# make bench [CASES="ppo scoring"]: how fast, against what others do the same with.
STUDY ?= laptop
VENV ?= .venv
BIN := $(VENV)/bin
# the newest Python that the pins are for; a name may be there without its program, or without what makes environments
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
  if $$name -c '$(USABLE)' 2>/dev/null; then echo $$name; break; fi; done)
export OMP_WAIT_POLICY := PASSIVE
# as in a worker of a study, and for both sides alike
BENCH := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 $(BIN)/python

PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

.PHONY: report pdf test test-fast setup check clean bench

report: setup
	@$(BIN)/overopt report $(STUDY)

pdf: setup
	@$(BIN)/overopt report $(STUDY) --pdf

test: setup check
	@$(PYTEST) --durations=10

# what needs neither a whole study nor a built book: for a second Python beside the first
test-fast: setup
	@$(PYTEST) -m "not slow and not study"

bench: setup .venv-bench/ready
	@$(BENCH) -m benchmarks $(CASES)
	@$(if $(CASES),,$(BENCH) -m benchmarks.cost)
	@$(if $(CASES),,$(BENCH) -m benchmarks.planning)
	@$(if $(CASES),,$(BENCH) -m benchmarks.scores)

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt pyproject.toml
	@'$(or $(PYTHON),no-python)' -c '$(USABLE)' 2>/dev/null || { \
	  echo "make: found $(if $(PYTHON),'$(PYTHON)',no Python that can be used); expected Python 3.11, 3.12 or 3.13 with its module" \
	  "venv (on Debian: apt-get install python3-venv), by name or as make PYTHON=/path/to/python3" >&2; exit 2; }
	@test -x $(BIN)/python || '$(PYTHON)' -m venv $(VENV)
	@echo "installing the pinned packages into $(VENV) (a few minutes the first time)"
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
	@$(BIN)/lint-imports --no-logo --no-cache

clean:
	rm -rf _build store
