# Two commands matter: `make demo` and `make test`. Each sets up what it needs in .venv; a second run starts at once.
# Needs Python >= 3.11 and make, nothing else. `make help` lists the targets.
#
#   PYTHON=python3.12   which Python makes the environment
#   PIP_ARGS=...        handed to pip, e.g. for PyTorch's CPU wheel index (its install page names it): on Linux the plain torch
#                       wheel brings several gigabytes of CUDA libraries, which nothing here needs
#   TEST_WORKERS=2      processes for the tests; their order differs from run to run, and a run ends with how to repeat it

PYTHON ?= python3
PIP_ARGS ?=
TEST_WORKERS ?= 2
VENV := .venv
override BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_ARGS) -c constraints.txt
CORE := $(VENV)/.core-is-installed
DEV := $(VENV)/.dev-is-installed
PAGE_TOOLS := node_modules/.package-lock.json
OUT := out
SECONDS ?= 21600
PERIOD ?= 60
SESSIONS ?= 500
START ?= 0
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test faults check coverage lint types check-page page-types train-demo golden pictures reference bench fuzz soak identity constraints lock locked sbom install clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(CORE)  ## the shipped model on sample cases; the last line is the path of the HTML report
	@$(BIN)/thyrosight demo -o $(OUT)/demo

test: lint types  ## everything that continuous integration runs
	$(PYTEST)

faults: $(DEV)  ## the long form of tests/faults: mutants, kills at each write, full disks, evil bundles (at most an hour)
	THYROSIGHT_FAULTS=all $(PYTEST) --timeout 3600 tests/faults

fuzz: $(DEV)  ## each harness of tests/faults/fuzz.py, guided by coverage: make fuzz SECONDS=600 (each; needs thyrosight[fuzz])
	for name in image dicom mask config cases table coco labelme cvat voc yolo graph weights bundle_json bodies; do \
	  $(BIN)/python tests/faults/fuzz.py $$name --seconds $(SECONDS) || exit 1; done

soak: $(DEV)  ## `serve` under load, with kills, full disks and bad files: make soak SECONDS=21600
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/soak.py --seconds $(SECONDS) --period $(PERIOD)

identity: $(DEV)  ## random sessions of readers, from seed START on: a nodule has one name everywhere: make identity SESSIONS=500
	THYROSIGHT_IDENTITY_SESSIONS=$(SESSIONS) THYROSIGHT_IDENTITY_START=$(START) $(PYTEST) tests/flows/test_nodule_identity.py

check: lint types  ## ruff, mypy and the quick tests
	$(PYTEST) -m "not slow"

coverage: $(DEV)  ## all tests, with the share of the source that they run; pages in out/coverage
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html:$(OUT)/coverage

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

check-page: $(DEV) $(PAGE_TOOLS)  ## types, format and unit tests of the page's scripts; needs Node.js 20 or later and npm
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs tests/flows/test_page_scripts.py

page-types: $(DEV)  ## remake the records that the page's scripts are checked against, from the API
	$(BIN)/python tools/make_page_types.py

train-demo: $(DEV)  ## phantoms -> a small network trained in minutes -> an evaluation report
	$(BIN)/thyrosight phantom -n 160 -o $(OUT)/train-demo/phantoms
	$(BIN)/thyrosight prepare $(OUT)/train-demo/phantoms -o $(OUT)/train-demo/cases
	$(BIN)/thyrosight train --recipe phantoms --cases $(OUT)/train-demo/cases/cases.csv -o $(OUT)/train-demo/run --fold 0 --resume
	$(BIN)/thyrosight evaluate $(OUT)/train-demo/run/bundle --cases $(OUT)/train-demo/cases/cases.csv --fold 0 -o $(OUT)/train-demo/evaluation

golden: $(DEV)  ## remake the golden files of the tests (look at the difference before you commit it)
	THYROSIGHT_GOLDEN=remake OMP_NUM_THREADS=1 $(BIN)/python -m pytest -k golden

pictures: $(CORE)  ## remake the pictures of the README from phantoms
	$(BIN)/python tools/make_pictures.py docs/pictures

reference: $(DEV)  ## remake the parts of docs/reference.md that come from the program
	$(BIN)/python tools/make_reference.py

BASE ?= HEAD~20

bench: $(DEV)  ## today against BASE (a revision or a wheel) in turn, cold start, milliseconds per image
	$(BIN)/python bench/against.py $(BASE)
	$(BIN)/python bench/cold_start.py
	$(BIN)/python bench/inference.py

lock: constraints.txt  ## remake requirements.lock: constraints.txt with hashes; needs uv (https://docs.astral.sh/uv)
	{ echo '# constraints.txt with the hashes of all files that may be installed. Remade by `make lock`; installed by `make locked`.'; \
	  uv pip compile constraints.txt --no-deps --generate-hashes --python-version 3.11 --no-header --no-annotate; } > $(VENV)/requirements.new
	mv $(VENV)/requirements.new requirements.lock

locked: | $(BIN)/python  ## the environment with everything in it, each file checked against its hash
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $(CORE) $(DEV)

sbom: $(DEV)  ## out/sbom.cdx.json: the bill of materials of requirements.lock, as CycloneDX
	$(BIN)/python tools/make_sbom.py $(OUT)/sbom.cdx.json

install: $(DEV)  ## the environment with everything in it

constraints: $(DEV)  ## write constraints.txt from the environment as it is
	$(BIN)/python tools/freeze.py > $(VENV)/constraints.new && mv $(VENV)/constraints.new constraints.txt

$(PAGE_TOOLS): package.json package-lock.json
	@command -v npm >/dev/null || { echo "error: no npm; install Node.js 20 or later: https://nodejs.org, or apt-get install nodejs npm"; exit 2; }
	npm ci
	@touch $@

clean:  ## remove what the commands wrote and the caches; keep the environment
	rm -rf $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
	find src tests bench studies tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## and the environment
	rm -rf $(VENV) node_modules

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON); install Python 3.11 or later, or say which: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or later is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing thyrosight into $(VENV) ..."
	$(PIP) -e .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing thyrosight with all that training and the tests need into $(VENV) (minutes the first time) ..."
	$(PIP) -e '.[train,pretrained,serve,pacs,pdf,peers,formats,archive,dev]'
	@touch $(CORE) $@
