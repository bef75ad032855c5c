# make run     install what is missing, then open the workbench
# make test    run every test          (ARGS="-k store" hands words on to pytest;
#              ARGS="--hypothesis-profile=fresh" draws new examples)
# make bench   measure every figure    (ONLY=import_time measures one)
# make check   format, lint and types
# make docs    build the documentation into build/docs
# make lock    pin the newest versions that fit together in requirements.lock
#
# EXTRAS=speech,charts installs optional parts as well; TORCH=cpu or TORCH=cuda installs torch
# in that build (parts that need torch choose by whether nvidia-smi answers).

PYTHON ?= python3
EXTRAS ?=
TORCH ?=
ONLY ?=
ARGS ?=

BIN := .venv/bin
INSTALL := $(PYTHON) .ci/install.py --torch "$(TORCH)"

.PHONY: run test bench check docs lock install develop

run: install
	@$(BIN)/fraktal up

test:
	@$(INSTALL) --extras "dev,$(EXTRAS)" --debian chromium,gcc,postgresql,prometheus
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: develop
	@$(BIN)/python -m benchmarks $(ONLY)

check: develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: develop
	$(BIN)/python -m sphinx -W --keep-going -b html docs build/docs

lock: develop
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --fork-strategy fewest --upgrade --strip-extras --no-annotate --quiet \
	  --custom-compile-command "make lock" --output-file requirements.lock

install:
	@$(INSTALL) --extras "pictures,$(EXTRAS)"

develop:
	@$(INSTALL) --extras "dev,$(EXTRAS)"
