# Each target installs its own requirements into the virtual environment .venv. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
RENDERER := build/mermaid-js-tiny-12.0.0.tgz
LOCK := --quiet --strip-extras --generate-hashes --allow-unsafe --upgrade --no-header --no-annotate \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

PAGE := build/page.stamp

.PHONY: serve test check page docs bench torture mini lock clean help
FIRST ?= 115
SECOND ?= 12

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: $(VENV)/serve.stamp $(PAGE)  ## Serve the built-in model on port 8000 (ARGS="PATH/model.gguf --port 9000" for another)
	@$(BIN)/forefront serve $(ARGS)

# Without bytecode, each process of a test would compile the package anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/dev.stamp $(VENV)/docs.stamp $(PAGE)  ## Run the tests in WORKERS=2 processes, one file at a time each
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/dev.stamp  ## Formatting, lint, types, layers, spelling, container files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typos
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

page: $(PAGE)  ## Build the web pages into src/forefront/server/page; needs npm

docs: $(VENV)/docs.stamp $(RENDERER)  ## Build the documentation site into build/website/site; needs npm
	$(BIN)/python -m website --renderer $(RENDERER)

bench: $(VENV)/dev.stamp  ## Compare speed and memory with other servers and the machine, 25 minutes (ARGS=--quick for 5)
	$(BIN)/python -m benchmarks $(ARGS)

torture: $(VENV)/dev.stamp  ## Load, fault-injection and bad-input tests against real servers, 15 minutes at most without the part cluster; prints a table
	$(BIN)/python -m torture $(ARGS)

mini: $(VENV)/train.stamp  ## Train the built-in model from scratch (FIRST=115 and SECOND=12 minutes), put it into the package and evaluate it
	$(BIN)/python -m training.train --run training/runs/first --minutes $(FIRST)
	$(BIN)/python -m training.export --run training/runs/first --output training/runs/first/model.gguf
	$(BIN)/python -m training.train --start training/runs/first/model.gguf --minutes $(SECOND) --rate 0.001
	$(BIN)/python -m training.export --mean training/runs/first
	$(BIN)/python -m training.plot --run training/runs/first
	$(BIN)/python -m training.evaluate

lock: $(VENV)/pip.stamp  ## Update the pinned requirements and their hashes
	$(BIN)/pip install --quiet 'pip-tools>=7.5,<8'
	$(BIN)/pip-compile $(LOCK) --extra server --extra postgres --extra redis --extra llamacpp --output-file requirements/serve.txt pyproject.toml requirements/build.in
	$(BIN)/pip-compile $(LOCK) --extra server --extra postgres --extra redis --extra llamacpp --extra ray --output-file requirements/ray.txt pyproject.toml requirements/ray.in
	$(BIN)/pip-compile $(LOCK) --output-file requirements/dev.txt requirements/dev.in
	$(BIN)/pip-compile $(LOCK) --output-file requirements/docs.txt requirements/docs.in
	$(BIN)/pip-compile $(LOCK) --output-file requirements/interop.txt requirements/interop.in
	$(BIN)/pip-compile $(LOCK) --output-file requirements/interop-openai-2.txt requirements/interop-openai-2.in

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .venv-interop .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build web/node_modules src/forefront/server/page

$(VENV)/pip.stamp:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/serve.stamp: $(VENV)/pip.stamp pyproject.toml requirements/serve.txt
	@echo "Installing the requirements for serving into $(VENV), 0.6 GB, which takes minutes (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/serve.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/serve.stamp requirements/dev.txt
	@echo "Installing the requirements for tests into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp requirements/docs.txt
	@echo "Installing the requirements for the documentation into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

# Without npm, or where npm fails, the server starts without its pages.
$(PAGE): $(wildcard web/*.*) $(shell find web/src -type f)
	@mkdir -p $(@D)
	@if ! command -v npm > /dev/null; then echo "npm is missing: the server has no web pages (apt-get install npm)"; \
	elif echo "Building the web pages (once) ..." && cd web && npm ci --silent --ignore-scripts && npm run --silent build; then \
	  touch ../$@; else echo "The web pages could not be built: the server starts without them"; fi

$(RENDERER):
	@mkdir -p $(@D)
	@npm pack --silent --pack-destination $(@D) @mermaid-js/tiny@12.0.0 > /dev/null

$(VENV)/train.stamp: $(VENV)/dev.stamp training/requirements.txt
	@echo "Installing the requirements for training into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r training/requirements.txt
	@touch $@
