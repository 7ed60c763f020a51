# Every habit has one entry. Needed: Rust (with rustfmt and clippy), Go, git. No cluster, no containers.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
LOCAL_CLUSTER := $(CARGO) run --quiet --locked -p local-cluster --
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= logpilot-operator:$(VERSION)
# Directory of the cluster of `up` and `down`; empty: the tool's own choice.
DIR ?=
CARGO_DENY_VERSION := 0.20.2
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/logpilot-operator

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the main job on a local control plane, step by step
	$(CARGO) run --quiet --locked --example demo

.PHONY: up
up: ## starts a local control plane and leaves it running; DIR=… says where
	$(LOCAL_CLUSTER) up --detach $(if $(DIR),--dir $(DIR))

.PHONY: down
down: ## ends it
	$(LOCAL_CLUSTER) down $(if $(DIR),--dir $(DIR))

.PHONY: run
run: ## runs the operator against the cluster that KUBECONFIG names
	$(CARGO) run --locked -- run

# The control plane is built before the tests, so that none of them waits for it, and its kubectl is there to render with.
.PHONY: test
test: check ## every check and every test, ends with the counts
	$(CARGO) test --workspace --locked --no-run
	$(TARGET)/debug/local-cluster build
	KUBECTL=$$($(TARGET)/debug/local-cluster bin kubectl) \
	  tests/summarise $(CARGO) test --workspace --locked --no-fail-fast

.PHONY: unit
unit: ## the tests that need no cluster
	tests/summarise $(CARGO) test --locked --no-fail-fast --lib --test manifests --test bad_input --test mock_api

.PHONY: check
check: tools ## format, lints, generated CRD
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --quiet --locked --lib the_checked_in_definition

.PHONY: tools
tools:
	@for tool in $(CARGO) go git; do \
	  command -v $$tool >/dev/null || { echo "missing: $$tool. Needed are Rust, Go and git." >&2; exit 1; }; \
	done
	@for part in fmt clippy; do \
	  $(CARGO) $$part --version >/dev/null 2>&1 \
	    || { echo "missing: cargo $$part. Install it with: rustup component add rustfmt clippy" >&2; exit 1; }; \
	done

.PHONY: fmt
fmt: ## formats the code
	$(CARGO) fmt --all

.PHONY: crd
crd: ## writes crds/ from the types
	UPDATE_CRD=1 $(CARGO) test --quiet --locked --lib the_checked_in_definition

.PHONY: install-yaml
install-yaml: ## writes install.yaml from config/; IMAGE=… for an image of your own
	@kubectl=$$($(LOCAL_CLUSTER) bin kubectl); \
	{ echo '# Generated from config/default by `make install-yaml`. The reasons stand there, beside each rule.'; \
	  "$$kubectl" kustomize config/default | sed 's|image: logpilot-operator:.*|image: $(IMAGE)|'; } > install.yaml.new
	@mv install.yaml.new install.yaml

# cargo-deny is built once, into the cache, which takes minutes. Advisories need a database from the network, so they are
# asked for apart: cargo deny check advisories.
.PHONY: deny
deny: ## licences, sources and bans of all dependencies
	@test -x $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny \
	  || $(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny
	$(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny --locked check licenses sources bans

.PHONY: image
image: ## builds the container image
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) --tag $(IMAGE) .

.PHONY: kind-load
kind-load: image ## builds the image and loads it into a kind cluster
	kind load docker-image $(IMAGE)

# The same build as in the Dockerfile.
.PHONY: image-size
image-size: ## builds the static program and prints its size
	@host=$$(rustc -vV | sed -n 's/^host: //p'); \
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --locked --bin logpilot-operator --target $$host; \
	program=$(TARGET)/$$host/release/logpilot-operator; \
	stat --format '%n: %s bytes' $$program; \
	ldd $$program 2>&1 || true
