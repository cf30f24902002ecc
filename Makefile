# `make help` lists the targets. Everything is installed into .venv; nothing outside this directory is touched.

PYTHON ?= python3
CC ?= cc
VENV := .venv
BIN := $(VENV)/bin

# The stamps carry the interpreter's version: another PYTHON makes another .venv. Each stands for one set of extras.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
BASE := $(VENV)/.base-$(VERSION)
DEMO := $(VENV)/.demo-$(VERSION)
TEST := $(VENV)/.test-$(VERSION)

CASES ?= 200
SEED ?= 1
ENGINE ?= pagetrap
SECONDS ?= 60

FAST := tests/test_imports.py tests/test_public_api.py tests/docs/test_docstrings.py tests/decode tests/emulate \
  $(addprefix tests/mmio/,device descriptions pictures records space traces watchpoints)

.DEFAULT_GOAL := help
.PHONY: help demo check test guest bench coverage campaign test-cpus mutants fuzz soak docs clean python compiler
.DELETE_ON_ERROR:

help:  ## Show this list
	@echo "make TARGET [PYTHON=python3.12] [CC=clang]"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

demo: compiler $(DEMO)  ## Run a C network card driver against a card written in Python
	@CC='$(CC)' $(BIN)/python examples/nic/demo.py

check: $(TEST)  ## Lint, check the types, run a fast subset of the tests: a minute on two cores
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto -q -m 'not slow' $(FAST)

guest: $(DEMO)  ## Fetch QEMU, a kernel and busybox, unpacked into the user's cache folder, for tests that boot guests
	$(BIN)/pagetrap boot --fetch

test: compiler $(TEST)  ## Lint, check the types, run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	CC='$(CC)' $(BIN)/pytest -n auto --dist loadgroup

bench: compiler $(TEST)  ## Measure everything that is claimed about speed, into benchmarks/RESULTS.md
	@CC='$(CC)' $(BIN)/python -m benchmarks

coverage: compiler $(TEST)  ## Show which branches of decode and emulate their tests take; at least 95 %
	CC='$(CC)' $(BIN)/pytest -n auto --dist loadgroup --cov=decode --cov=emulate --cov-branch --cov-fail-under=95 \
	  --cov-report=term-missing:skip-covered tests/decode tests/emulate tests/oracle_tests

campaign: $(TEST)  ## Compare with the CPU by the hundred thousand: CASES=200 a form, SEED=1, ENGINE=unicorn, BITS=64
	$(BIN)/python -m tests.campaign --cases $(CASES) --seed $(SEED) --engine $(ENGINE) $(if $(BITS),--bits $(BITS))

test-cpus: compiler $(TEST)  ## Run the suites on emulated CPUs, MODELS='Nehalem max'; the CPU at hand judges what differs
	CC='$(CC)' $(BIN)/python -m tests.cpus $(if $(filter command%,$(origin CASES)),--cases $(CASES)) --seed $(SEED) $(MODELS)

mutants: $(TEST)  ## Break every package in known ways and see that a law or a test notices
	$(BIN)/python -m tests.mutants

fuzz: $(TEST)  ## Feed anything to everything that parses, SECONDS=60 each
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

soak: compiler $(TEST)  ## Run programs under random mixtures of disturbances, SECONDS=60, SEED=1; ENGINE=ptrace, JOBS=2, PUBLISH=1
	CC='$(CC)' $(BIN)/python -m tests.soak --seconds $(SECONDS) --seed $(SEED) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(filter command%,$(origin ENGINE)),--engine $(ENGINE)) $(if $(PUBLISH),--publish)

docs: $(TEST)  ## Make the manual, build/docs/index.html
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs . build/docs

clean:  ## Remove .venv and everything built
	rm -rf $(VENV) build dist *.egg-info examples/*/build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "pagetrap needs Python 3.11 or later and there is no $(PYTHON): apt-get install python3 python3-venv," \
	    "or name another one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "pagetrap needs Python 3.11 or later, $(PYTHON) is $(VERSION): name another one:" \
	    "make PYTHON=/path/to/python3" >&2; exit 1; }

compiler:
	@printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | $(CC) -x c -o /dev/null - || { \
	  echo "make $(MAKECMDGOALS) needs a C compiler with its library's headers ('$(CC)' did not compile a first" \
	    "program): apt-get install gcc libc6-dev, or name another one: make CC=clang" >&2; exit 1; }

# A .venv of the right version is kept, whoever made it. Debian keeps ensurepip, which venv needs, in python3-venv.
$(BASE): | python
	@$(BIN)/python -c 'import pip, sys; sys.exit("%d.%d.%d" % sys.version_info[:3] != "$(VERSION)")' 2>/dev/null || { \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) lacks the venv module: apt-get install python3-venv" >&2; exit 1; }; \
	  echo "Making $(VENV) with Python $(VERSION)"; \
	  $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(DEMO): $(BASE) setup.cfg pyproject.toml
	@echo 'Installing what make demo needs into $(VENV)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli,plot,svd]'
	@touch $@

$(TEST): $(BASE) setup.cfg pyproject.toml
	@echo 'Installing what make test needs into $(VENV)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@
