# `make help` tells what there is. Everything is installed into .venv and build/, nothing outside the working copy.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PIP := -m pip --disable-pip-version-check --no-input
VENV := .venv
PYTHON := $(VENV)/bin/python
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup
CODEGEN := build/codegen
CLIENT := clients/python
# The contract: what callers use, and the administration, in packages of their own.
CONTRACT := llmgateway/v1 llmgateway/admin/v1
# Beside Python, whose code the server uses.
LANGUAGES := go java rust typescript
TYPED := server $(CLIENT)/src tests
CORPUS ?= ../shared/corpus
CASES ?= ../shared/cases
IMAGE ?= llm-gateway
SECONDS ?= 10
TARGETS ?=
BASE ?= python:3.13-slim
EXTRAS ?=
ARGS ?=

.PHONY: help
help: ## Show this text
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## Create .venv with the locked dependencies (any Python from 3.11 on)

$(SETUP): requirements-dev.lock pyproject.toml $(CLIENT)/pyproject.toml
	@.ci/venv $(VENV)
	$(PYTHON) $(PIP) install --quiet --require-hashes --no-deps -r requirements-dev.lock
	$(PYTHON) $(PIP) install --quiet --no-deps --no-build-isolation -e $(CLIENT) -e .
	@$(PYTHON) $(PIP) check
	@touch $@

$(CODEGEN)/.setup: requirements-codegen.lock
	@.ci/venv $(CODEGEN)
	$(CODEGEN)/bin/python $(PIP) install --quiet --require-hashes --no-deps -r requirements-codegen.lock
	@$(CODEGEN)/bin/python $(PIP) check
	@touch $@

# $(1): the folder that receives the contract's packages. Files with a service get a stub too.
define generate
	@mkdir -p $(1)
	@PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" python -m grpc_tools.protoc -Iprotos \
	  --python_out=$(1) --mypy_out=quiet:$(1) $(CONTRACT:%=protos/%/*.proto)
	@PATH="$(CURDIR)/$(CODEGEN)/bin:$$PATH" python -m grpc_tools.protoc -Iprotos \
	  --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $$(grep -l '^service' $(CONTRACT:%=protos/%/*.proto))
endef

.PHONY: clients
clients: proto ## Regenerate the code of all clients from protos/
	@for language in $(LANGUAGES); do .ci/generate $$language clients/$$language || [ $$? -eq 3 ]; done
	@.ci/generate envoy deploy/envoy

.PHONY: proto
proto: $(CODEGEN)/.setup ## Regenerate the Python code of the contract
	@rm -f $(CONTRACT:%=$(CLIENT)/src/%/*_pb2*)
	$(call generate,$(CLIENT)/src)

.PHONY: check-generate
check-generate: $(CODEGEN)/.setup ## Fail when the generated code is not what protos/ says
	@rm -rf build/generated
	$(call generate,build/generated)
	@for package in $(CONTRACT); do diff -r --exclude=__init__.py --exclude=__pycache__ build/generated/$$package $(CLIENT)/src/$$package \
	  || { echo "The generated code is stale: run 'make clients' and commit." >&2; exit 1; }; done
	@for language in $(LANGUAGES) envoy; do .ci/fresh $$language; done
	@echo "Generated code is up to date."

.PHONY: format
format: $(SETUP) ## Format the code and sort its imports
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

.PHONY: lint
lint: $(SETUP) $(CODEGEN)/.setup build/litellm/.setup build/supply/.setup ## Style, types, import layers, locks, secrets, the contract and its compatibility
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports
	$(PYTHON) -m tests.support.locks
	$(PYTHON) -m tests.support.secrets
	$(BIN)/buf lint protos
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/breaking

.PHONY: test
test: $(SETUP) build/claude-code/.setup build/litellm/.setup build/supply/.setup ## Run all tests on all cores (at most 4 at once) and print the coverage of server/ and clients/python
	@rm -rf build/coverage
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist worksteal --cov --cov-report=term $(ARGS)

.PHONY: test-fast
test-fast: $(SETUP) ## Run the unit and golden tests only (ARGS="-k name" chooses)
	$(BIN)/pytest -q tests/unit tests/golden tests/http/test_h1.py tests/http/test_resolver.py $(ARGS)

.PHONY: test-clients
test-clients: $(SETUP) ## Play the conversations of tests/conformance through the client of every language: build/conformance.json
	GRPC_VERBOSITY=NONE $(PYTHON) -m tests.conformance $(ARGS)

.PHONY: demo
demo: $(SETUP) ## Start a gateway on the embedded provider and show every call
	$(PYTHON) -m llm_gateway.app.demo

.PHONY: faults
faults: $(SETUP) ## Measure what holds when providers, networks and clients fail: build/scorecard.json (ARGS="B3 D1" chooses)
	$(PYTHON) -m tests.faults $(ARGS)

.PHONY: security
security: $(SETUP) ## Attack a gateway of its own and measure what the others notice: build/scorecard.json (ARGS="G10" chooses)
	GRPC_VERBOSITY=NONE $(PYTHON) -m tests.security $(ARGS)

.PHONY: fuzz
fuzz: $(SETUP) ## Fuzz all that reads strangers' bytes; a failure becomes a file of tests/fuzz/corpus (SECONDS=600 TARGETS="sse render" chooses)
	$(PYTHON) -m tests.fuzz --seconds $(SECONDS) $(TARGETS) $(ARGS)

.PHONY: bench
bench: $(SETUP) ## Measure the gateway against the bare gRPC floor: build/bench.json
	$(PYTHON) -m tests.bench $(ARGS)

.PHONY: bench-peers
bench-peers: $(SETUP) ## Measure LiteLLM and Portkey beside the gateway (needs npm): build/bench-peers.json
	$(PYTHON) -m tests.bench.peers $(ARGS)

.PHONY: corpus
corpus: $(SETUP) $(CODEGEN)/.setup ## Replay recorded provider traffic, when there is any at CORPUS: build/corpus.json
	CORPUS=$(CORPUS) CODEGEN_PYTHON=$(CODEGEN)/bin/python $(PYTHON) -m tests.corpus $(ARGS)

.PHONY: cases
cases: $(SETUP) ## Replay small inputs that once failed, when there are any at CASES; part of make test (ARGS="3 17" chooses)
	@CASES=$(CASES) $(PYTHON) -m tests.cases $(ARGS)

.PHONY: sbom
sbom: $(SETUP) build/supply/.setup ## Write what an image holds: build/sbom.json, CycloneDX (EXTRAS="vertex prices" for one with these)
	$(PYTHON) -m tests.support.sbom $(EXTRAS)

.PHONY: audit
audit: $(SETUP) build/supply/.setup ## Ask for advisories about every lock and client; exits with an error also when nobody could be asked (ARGS="npm go.mod" chooses)
	$(PYTHON) -m tests.support.audit $(ARGS)

.PHONY: docs
docs: $(SETUP) ## Write docs/providers.md and the providers of .env.example anew from the code
	$(PYTHON) -m tests.support.provider_table

.PHONY: docker
docker: ## Build the container image (IMAGE=llm-gateway, BASE=python:3.13-slim@sha256:..., EXTRAS="vertex prices")
	docker build -t $(IMAGE) --build-arg BASE="$(BASE)" --build-arg EXTRAS="$(EXTRAS)" .

# What tests run beside the gateway, each in an environment of its own: LiteLLM, and the command of Claude Code, whose Python is not run.
build/%/.setup: requirements-%.lock
	@.ci/venv build/$*
	build/$*/bin/python $(PIP) install --quiet --require-hashes --no-deps -r $<
	@$(if $(filter claude-code,$*),:,build/$*/bin/python $(PIP) check)
	@touch $@

# `uv` resolves for all platforms and Python versions at once; it is used for nothing else.
LOCK = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-package llmgateway-client --custom-compile-command "make lock" $(ARGS)
# What runs in the gateway's own process; LiteLLM does not. The locks of all of it agree: they are cut out of one, whose versions are those of
# requirements-dev.lock until an upgrade is asked for.
RUNTIME = admin azure bedrock postgres prices vertex
TOGETHER = build/lock/runtime.lock

.PHONY: lock
lock: ## Pin the dependencies again with their hashes (ARGS=--upgrade takes newer releases)
	@.ci/venv build/lock
	build/lock/bin/python $(PIP) install --quiet --no-deps uv==0.13.8
	@cp requirements-dev.lock $(TOGETHER)
	$(LOCK) pyproject.toml $(RUNTIME:%=--extra %) -o $(TOGETHER)
	$(LOCK) pyproject.toml -c $(TOGETHER) -o requirements.lock
	@for extra in $(RUNTIME); do \
	  (set -x; $(LOCK) pyproject.toml --extra $$extra -c $(TOGETHER) -o requirements-$$extra.lock); done
	$(LOCK) pyproject.toml $(RUNTIME:%=--extra %) --group dev -c $(TOGETHER) -o requirements-dev.lock
	$(LOCK) --group pyproject.toml:build -c requirements-dev.lock -o requirements-build.lock
	$(LOCK) --group pyproject.toml:codegen -o requirements-codegen.lock
	$(LOCK) --group pyproject.toml:litellm -o requirements-litellm.lock
	$(LOCK) --group pyproject.toml:litellm-proxy -o requirements-litellm-proxy.lock
	$(LOCK) --group pyproject.toml:supply -o requirements-supply.lock
	$(LOCK) --group pyproject.toml:claude-code --no-deps -o requirements-claude-code.lock
	@! grep -n '://' requirements*.lock

.PHONY: clean
clean: ## Remove everything that make has built, .venv too
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
