# `make lab` opens the course, `make test` tests all of it. README.md has both as plain commands for Windows.
# Options: PYTHON=python3.12 chooses the interpreter, ARGS=... goes on to JupyterLab or the benchmarks,
# NB=02 names one notebook.

PYTHON ?= python3
VENV := .venv/bin/python
# Compared in `make benchmark`, without their dependencies: some would bring another torch.
PEERS := local-attention x-transformers transformers sentence-transformers llms-from-scratch \
  accelerate cloudpickle einops einx frozendict gguf hyper-connections joblib loguru narwhals \
  regex scikit-learn scipy threadpoolctl torch-einops-utils
.DEFAULT_GOAL := lab
.PHONY: lab test test-platforms lint notebooks fresh address benchmark site picture setup

setup:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make: this course needs Python 3.11 or newer, and \`$(PYTHON)\` is $$($(PYTHON) --version 2>&1 | head -n 1 | grep -i '^python [0-9]' || echo 'not a Python that starts'); install one from https://www.python.org/downloads/ or name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) tools/environment.py

lab: setup  ## open JupyterLab on the first notebook
	@$(VENV) -m jupyterlab notebooks/00_start_here.ipynb $(ARGS)

test: setup  ## the library's tests, every notebook compared output by output, every solution
	@$(VENV) tools/test.py

test-platforms: setup  ## what needs more than Python: a browser, the site, Binder, Colab, built packages
	@$(VENV) tools/environment.py docs platforms
	@$(VENV) tools/test.py --platforms

site: setup  ## the web site, into site/, from the notebooks' stored outputs
	@$(VENV) tools/environment.py docs
	@$(VENV) tools/site.py

picture: setup  ## draw README's picture anew
	@$(VENV) docs/picture.py

lint: setup  ## format and check code and notebooks
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check --fix .
	@$(VENV) -m mypy

notebooks: setup  ## run and store all notebooks, or one: make notebooks NB=02
	@$(VENV) tools/notebooks.py store $(NB)

fresh: setup  ## bring back the shipped notebook and keep yours beside it: make fresh NB=02
	@$(VENV) tools/notebooks.py fresh $(NB)

address: setup  ## carry the repository's address everywhere: make address REPO=owner/name
	@$(VENV) tools/address.py $(REPO)

benchmark: setup  ## speed and memory beside peers, into benchmarks/results.md: make benchmark ARGS=--quick
	@for peer in $(PEERS); do \
	  $(VENV) -m pip install --quiet --disable-pip-version-check --no-input --no-deps -c constraints.txt $$peer \
	    || echo "make: $$peer could not be installed; what needs it is left out" >&2; done
	@$(VENV) benchmarks/run.py $(ARGS)
