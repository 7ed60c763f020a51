# One target for each routine task. Needed: Rust (with rustfmt and clippy), Go, git. No cluster, no
# containers.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
LOCAL_CLUSTER := $(CARGO) run --quiet --locked -p local-cluster --
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= logpilot-operator:$(VERSION)
# Directory of the cluster of `up` and `down`. If empty, the tool chooses one.
DIR ?=
CARGO_DENY_VERSION := 0.20.2
CARGO_CYCLONEDX_VERSION := 0.5.9
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/logpilot-operator

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the main job on a local control plane, step by step
	$(CARGO) run --quiet --locked --example demo

.PHONY: up
up: ## starts a local control plane and leaves it running; DIR=… says where
	$(LOCAL_CLUSTER) up --detach $(if $(DIR),--dir $(DIR))

.PHONY: down
down: ## stops it
	$(LOCAL_CLUSTER) down $(if $(DIR),--dir $(DIR))

.PHONY: run
run: ## runs the operator against the cluster that KUBECONFIG names
	$(CARGO) run --locked -- run

# Tests wait more than they compute; and a control plane with less frequent garbage collection leaves them
# more of the processor.
SIDE_BY_SIDE := RUST_TEST_THREADS=8 GOGC=400
RUN := $(CARGO) test --locked --no-fail-fast

# Suites that take minutes have separate targets. A new suite is in `test` unless it is named here;
# tests/README.md has the table.
LONG := campaign faults storms
# These wait for the cluster's clocks most of the time: they run in parallel with the others, which compute.
WAITING := cluster_exclusive install
SUITES := $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs)))
suites = $(addprefix --test ,$(1))
# The tests of the other packages.
PROGRAMS := control_plane interruptions model programs proxy up

# The control plane is built before the tests, so that no test waits for it, and its kubectl is available
# for rendering.
.PHONY: test
test: check ## every check, and the tests of every change: unit, contract, clusters; ends with the counts
	$(CARGO) test --workspace --locked --no-run
	$(TARGET)/debug/local-cluster build
	rm -rf $(TRAFFIC)
	KUBECTL=$$($(TARGET)/debug/local-cluster bin kubectl) LOCAL_CLUSTER_AUDIT_DIR=$(TRAFFIC) $(SIDE_BY_SIDE) \
	  tests/summarise tests/beside '$(RUN) $(call suites,$(WAITING))' \
	  '$(RUN) --workspace --lib --bins $(call suites,$(PROGRAMS) $(filter-out $(LONG) $(WAITING),$(SUITES)))'
	$(MAKE) --no-print-directory rbac-used

# CAMPAIGN_SEED=… selects another sample. Most storms wait for a while, and take turns for the rest.
.PHONY: test-faults
test-faults: tools ## the faults, and a sample of the campaign and the storms; all of them: make campaign
	$(CARGO) test --workspace --locked --no-run
	$(TARGET)/debug/local-cluster build
	KUBECTL=$$($(TARGET)/debug/local-cluster bin kubectl) LOCAL_CLUSTER_AUDIT_DIR=$(TRAFFIC) $(SIDE_BY_SIDE) CAMPAIGN=small \
	  tests/summarise tests/beside '$(RUN) --test faults' '$(RUN) --test campaign' '$(RUN) --test storms -- --test-threads=16'

# The audit logs of the clusters that `test` starts, and those of `test-faults` after it.
TRAFFIC := $(abspath $(TARGET))/traffic
.PHONY: rbac-used
rbac-used: ## compares the operator's rights with its requests since `make test` began, both ways
	LOCAL_CLUSTER_AUDIT_DIR=$(TRAFFIC) $(CARGO) test --quiet --locked --test manifests permissions_and_requests_match -- --ignored --nocapture

# CAMPAIGN_SEED=… rotates the faults that take turns. Operators, proxy and tests are optimised; otherwise
# they would take half of the processor.
CAMPAIGN := $(CARGO) --config 'profile.dev.opt-level=1' test --locked --no-fail-fast
.PHONY: campaign
campaign: ## every fault, at each of the operator's writes, in every workload
	@# The library too, because users run an optimised build. Most storms watch for minutes, and take
	@# turns for the rest of the time. Each fleet leaves thousands of objects behind: it has its own API
	@# server, so that no test measures on top of them. The tests of faults wait more than they compute:
	@# they run in parallel with the trials, with priority on the processor.
	@failed=; export CAMPAIGN=full $(SIDE_BY_SIDE); began=$$SECONDS; \
	$(CAMPAIGN) --no-run $(PACKAGES) --lib --test campaign --test faults --test storms --test cluster_shared; \
	$(CAMPAIGN) $(PACKAGES) --lib || failed=1; \
	$(CAMPAIGN) --test storms -- --nocapture --test-threads=16 --skip a_fleet_ || failed=1; \
	for fleet in a_fleet_is_created a_fleet_of_stacks; do \
	  $(CAMPAIGN) --test storms -- --nocapture $$fleet || failed=1; \
	done; \
	LOGPILOT_SEED=$${CAMPAIGN_SEED:-$$(date +%s)} LOGPILOT_DOCUMENTS=20000 \
	  $(CAMPAIGN) --test cluster_shared -- --nocapture plan_and_api_server_agree_on_random_documents || failed=1; \
	tests/beside '$(CAMPAIGN) --test faults -- --nocapture --test-threads=8' \
	  'nice -n 10 $(CAMPAIGN) --test campaign -- --nocapture' || failed=1; \
	echo "make campaign: $$((SECONDS - began)) s$${failed:+, FAILED}"; \
	test -z "$$failed"

# The packages of the program. Their unit tests need no cluster.
PACKAGES := -p logpilot-operator -p engine -p workload -p backup
.PHONY: unit
unit: ## the tests that need no cluster
	tests/summarise $(CARGO) test --locked --no-fail-fast $(PACKAGES) --lib --test manifests --test bad_input --test mock_api

.PHONY: check
check: tools prose ## format, lints, prose, generated CRD
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --quiet --locked --lib the_checked_in_definition

# Go builds vale on first use, with the C compiler that SQLite needs too, and keeps it.
.PHONY: prose
prose: ## words, spelling and line width of documents, comments and messages; ends with the measure
	@tests/prose

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

.PHONY: golden
golden: ## writes tests/golden: the rendered plan of each example and of each field
	UPDATE_GOLDEN=1 $(CARGO) test --quiet --locked --lib golden_plans_are_unchanged

.PHONY: generate
generate: crd ## writes everything that is generated from the code: crds/, the operator's role and policy, SECURITY's rights, docs/reasons.md and dev/texts.md, install.yaml
	UPDATE_GENERATED=1 $(CARGO) test --quiet --locked --test manifests generated_files_are_up_to_date
	$(MAKE) --no-print-directory install-yaml

.PHONY: crd
crd: ## writes crds/ from the types
	UPDATE_CRD=1 $(CARGO) test --quiet --locked --lib the_checked_in_definition

# The estimate of the oldest supported Kubernetes needs a module of its own, which takes minutes to build
# the first time.
.PHONY: crd-size
crd-size: ## prints bytes and CEL costs of the CRDs, those of the oldest supported Kubernetes too
	$(CARGO) test --quiet --locked --test manifests the_definition_fits -- --nocapture
	@cd tests/tools/crd-cost && for file in $(CURDIR)/crds/*.yaml; do \
	  CGO_ENABLED=0 GOWORK=off go run -trimpath -modfile=oldest.mod -tags=oldest . $$file \
	  | sed 's/^{"total":\([0-9]*\),"limit":\([0-9]*\).*/Kubernetes 1.34: estimated cost \1 of \2/'; \
	done

.PHONY: install-yaml
install-yaml: ## writes install.yaml from config/; IMAGE=… for an image of your own
	@kubectl=$$($(LOCAL_CLUSTER) bin kubectl); \
	{ echo '# Generated from config/default by `make install-yaml`. The reasons are there, next to each rule.'; \
	  "$$kubectl" kustomize config/default | sed 's|image: logpilot-operator:.*|image: $(IMAGE)|'; } > install.yaml.new
	@mv install.yaml.new install.yaml

# cargo-deny is built once, into the cache, which takes minutes. Advisories need a database from the
# network, so they have a separate command: cargo deny check advisories.
.PHONY: deny
deny: ## licences, sources and bans of all dependencies
	@test -x $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny \
	  || $(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny
	$(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny --locked check licenses sources bans

# Describes the committed files, in a copy without dev-dependencies, which would enable features of
# dependencies. The result does not depend on the machine. The tool is built once, into the cache, as
# cargo-deny is.
CYCLONEDX := $(CACHE)/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)
.PHONY: sbom
sbom: ## writes target/sbom.cdx.json: the program's components, as CycloneDX
	@test -x $(CYCLONEDX)/bin/cargo-cyclonedx \
	  || $(CARGO) install --locked --version $(CARGO_CYCLONEDX_VERSION) --root $(CYCLONEDX) cargo-cyclonedx
	@rm -rf $(TARGET)/sbom && mkdir -p $(TARGET)/sbom && git archive HEAD | tar -x -C $(TARGET)/sbom
	@for manifest in Cargo.toml $$(git ls-files 'crates/*/Cargo.toml'); do \
	  awk '/^\[/ { tests = $$0 == "[dev-dependencies]" } !tests { sub(/^members = .*/, "members = [\".\"]"); print }' \
	    <(git show HEAD:$$manifest) > $(TARGET)/sbom/$$manifest; \
	done
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(CYCLONEDX)/bin/cargo-cyclonedx cyclonedx --quiet --format json \
	  --spec-version 1.5 --target x86_64-unknown-linux-gnu --override-filename sbom --manifest-path $(TARGET)/sbom/Cargo.toml
	@sed 's|path+file://[^#]*#|path+file:///#|' $(TARGET)/sbom/sbom.json > $(TARGET)/sbom.cdx.json
	@rm -rf $(TARGET)/sbom
	@echo "$(TARGET)/sbom.cdx.json: $$(grep -c '"purl": "pkg:cargo' $(TARGET)/sbom.cdx.json) packages"

.PHONY: image
image: ## builds the container image
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) --tag $(IMAGE) .

.PHONY: kind-load
kind-load: image ## builds the image and loads it into a kind cluster
	kind load docker-image $(IMAGE)

# The same build as in the Dockerfile, including the server's stand-in. PROFILE=dev builds faster, and the
# result is larger.
PROFILE ?= release
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
STATIC = $(TARGET)/$(HOST)/$(PROFILE:dev=debug)
.PHONY: static
static:
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --profile $(PROFILE) --locked --target $(HOST) \
	  -p logpilot-operator -p log-server --bin logpilot-operator --bin log-server --bin log-client

.PHONY: image-size
image-size: static ## builds the static program and prints its size
	@stat --format '%n: %s bytes' $(STATIC)/logpilot-operator
	@ldd $(STATIC)/logpilot-operator 2>&1 || true

# An archive of the real server's image by `docker save`, under the name that the examples use. If empty,
# the stand-in is used.
LOGPILOT_IMAGE ?=
STAND_IN = --image danpung2/logpilot:1.2.0=$(STATIC)/log-server
CLIENT = --image log-client:1=$(STATIC)/log-client
# One or more substrings of test names. If empty, all tests run.
ONLY ?=
REAL_NODE := $(TARGET)/debug/real-node
# The number of tests that run in parallel. Tests that do not share the operator always run alone.
AT_ONCE ?= 4
# Built with the features of the whole workspace, as in `make test`, so that nothing is built twice.
BUILD_E2E := $(CARGO) test --quiet --workspace --locked --test e2e --no-run
# The test program itself: nothing is built on the nodes, which have no network.
E2E = tests/summarise $$($(BUILD_E2E) --message-format=json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\/e2e-[^"]*\)".*/\1/p') \
  $(ONLY) --ignored --test-threads=$(AT_ONCE) --show-output

.PHONY: e2e
e2e: tools ## the suite on real nodes of its own (root, Debian); skipped with a reason if there can be none
	$(BUILD_E2E)
	@$(REAL_NODE) check && $(MAKE) --no-print-directory e2e-here || [ $$? -eq 3 ]

.PHONY: e2e-here
e2e-here: static
	$(REAL_NODE) build
	LOGPILOT_IMAGE=$(LOGPILOT_IMAGE) $(REAL_NODE) run \
	  --operator $(IMAGE)=$(STATIC)/logpilot-operator $(CLIENT) --stack \
	  $(if $(LOGPILOT_IMAGE),--archive $(LOGPILOT_IMAGE),$(STAND_IN)) -- $(E2E)

# On the kind cluster named "kind", unless E2E_KUBECONFIG says where; that cluster must have both images.
.PHONY: e2e-kind
e2e-kind: $(if $(E2E_KUBECONFIG),,kind-load static) ## the same suite on a kind cluster, or on the one that E2E_KUBECONFIG names
	$(BUILD_E2E)
ifeq ($(E2E_KUBECONFIG),)
	$(REAL_NODE) images $(STAND_IN) $(CLIENT) $(TARGET)/e2e
	kind load image-archive $(TARGET)/e2e/log-server.tar
	kind load image-archive $(TARGET)/e2e/log-client.tar
	kind get kubeconfig >$(TARGET)/e2e/kubeconfig
endif
	E2E_KUBECONFIG=$(or $(E2E_KUBECONFIG),$(abspath $(TARGET)/e2e/kubeconfig)) \
	  KUBECTL=$$($(LOCAL_CLUSTER) bin kubectl) $(E2E)
