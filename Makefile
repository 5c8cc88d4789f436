# Every verb that a person or CI runs. What is compiled lies outside the clone, so that a second clone finds it warm;
# images and the cluster command lie in target/, because they are this clone's own.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export KUBEFRONT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubefront
export CARGO_TARGET_DIR ?= $(KUBEFRONT_CACHE)/target
ifneq ($(filter-out help fmt demo-down cluster-down,$(MAKECMDGOALS)),)
$(shell CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' .ci/claim)
endif
export PATH := $(CURDIR)/target/bin:$(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin:$(KUBEFRONT_CACHE)/go/bin:/usr/sbin:/sbin

# How many nodes `cluster-up` starts.
NODES ?= 1

# Always the whole workspace, so that both kinds of tests find the same dependencies built; a test that needs a cluster is
# one whose entry in tests/Cargo.toml says so.
CARGO_TEST = cargo test --workspace --locked
WALKS = $(shell awk '/^\[/ {test = /^\[\[test/} /^name/ {name = $$3} test && /^required-features.*cluster/ {print "--test " name}' tests/Cargo.toml)

.PHONY: help fmt lint test unit walks bench bench-origins soak soak-cache soak-s3 s3 through fuzz demo demo-down generate kubefront images programs cluster cluster-up cluster-down audit ci

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

fmt: ## Format Rust and Go
	cargo fmt --all
	gofmt -w tests/cluster tests/kstatus

lint: ## Formatting, clippy with warnings as errors, go vet
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features tests/cluster,tests-s3/moto,tests-through/peers --locked -- -D warnings
	test -z "$$(gofmt -l tests/cluster tests/kstatus | tee /dev/stderr)"
	cd tests/cluster && go vet ./... && go vet -tags cluster ./...
	cd tests/kstatus && go vet ./...

test: ## Every test: units, Go, and the walks on a real cluster that is started and ended here
	@.ci/prepare build cluster
	@$(MAKE) unit
	@$(MAKE) s3
	@$(MAKE) through
	@$(MAKE) walks

unit: cluster ## The tests that need no cluster
	$(CARGO_TEST)
	cd tests/cluster && go test ./...
	cd tests/kstatus && go test -count=1 ./...

walks: images ## The tests on a real cluster, with what they counted; uses one that is up, or starts and ends its own
	.ci/with-cluster 2 $(CARGO_TEST) --features tests/cluster $(WALKS) -- --show-output

bench: images ## Measure what is promised on a real cluster and print a table: about ten minutes
	.ci/with-cluster 1 cargo run --locked --package tests --features cluster --bin figures

bench-origins: ## What viewers notice when the first of two origins dies under load: less than a minute
	cargo run --release --locked --package edge --example failover

soak: images ## Viewers while every part is away for long, rolls of an origin, and twenty sudden deaths of the operator: about ten minutes
	.ci/with-cluster 1 cargo run --locked --package tests --features cluster --bin soak

soak-cache: ## A million random exchanges through the edge's verdicts and through the RFCs' own words: EXCHANGES=n, SEED=n
	EXCHANGES=$${EXCHANGES:-1000000} cargo test --release --locked --package edge-cache --test model -- --nocapture

s3: ## Private buckets of two S3 servers that others wrote, behind an edge: odd keys, signatures, refusals
	@.ci/prepare build moto
	$(CARGO_TEST) --features tests-s3/moto --test s3s --test moto -- --nocapture

soak-s3: ## A quarter of a million random requests signed here and by Amazon's own signer: REQUESTS=n
	REQUESTS=$${REQUESTS:-250000} cargo test --release --locked --package tests-s3 --test signing -- --nocapture

through: ## Peers of WebSocket and gRPC that others wrote, and curl with uploads of 2 GiB, through an edge: what it holds of them
	@.ci/prepare build peers
	cargo build --locked --package edge
	$(CARGO_TEST) --features tests-through/peers --test peers --test uploads -- --nocapture

fuzz: ## Feed odd bytes to what reads them, ten minutes for each target: TARGET=name, SECONDS=n
	@.ci/fuzz $(or $(SECONDS),600) $(TARGET)

generate: programs ## Rewrite what is generated: CRDs, their copy in the chart, golden files
	UPDATE=1 cargo test --quiet --locked --package crds --package operator --package cli
	cp crds/*.yaml charts/kubefront/crds/
	PATH="$$(cluster build):$$PATH" UPDATE=1 $(CARGO_TEST) --quiet --features tests/cluster --test chart

kubefront: ## The command line, as target/bin/kubefront: serve a manifest on this machine without a cluster
	@.ci/prepare build
	cargo build --release --locked --package cli
	@install -D $(CARGO_TARGET_DIR)/release/kubefront target/bin/kubefront

images: cluster ## Build the images edge, operator and origin as OCI archives into target/images
	@.ci/images

cluster: # The command that runs test clusters and makes images, as target/bin/cluster
	@cd tests/cluster && CGO_ENABLED=0 go build -o $(CURDIR)/target/bin/cluster .

programs: cluster # Kubernetes and Helm, built from source once for all clones
	@cluster build >/dev/null

cluster-up: images ## Start a real Kubernetes here with the images loaded: NODES=1..3; needs root
	@.ci/prepare cluster
	@cluster up --nodes $(NODES)
	@cluster load target/images/*.tar
	@echo; echo 'Use it:  eval "$$(target/bin/cluster env)"; kubectl get nodes'

cluster-down: cluster ## End it and leave nothing
	@cluster down

demo: ## From nothing to an invalidated page, each step with its command; CONTEXT=name uses your own cluster
	@demo/run

demo-down: ## Take away all that the demo made
	@demo/down

audit: ## Licences, advisories and bans of every dependency (cargo-deny; needs the network)
	@test -x $(KUBEFRONT_CACHE)/tools/bin/cargo-deny || cargo install --locked --root $(KUBEFRONT_CACHE)/tools cargo-deny
	$(KUBEFRONT_CACHE)/tools/bin/cargo-deny --all-features check

ci: ## All that CI does: lint and test
	@.ci/prepare build cluster
	@$(MAKE) --jobs 2 lint programs
	@$(MAKE) test
