# Every verb that a person or CI runs. What is built lies outside the clone, so that a second clone finds it warm.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export KUBEFRONT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubefront
export CARGO_TARGET_DIR ?= $(KUBEFRONT_CACHE)/target
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin:$(KUBEFRONT_CACHE)/go/bin:/usr/sbin:/sbin

.PHONY: help fmt lint test unit ci

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

fmt: ## Format Rust and Go
	cargo fmt --all
	gofmt -w tests/cluster

lint: ## Formatting, clippy with warnings as errors, go vet
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(if $(wildcard tests/cluster/go.mod),test -z "$$(gofmt -l tests/cluster | tee /dev/stderr)"; cd tests/cluster && go vet ./...)

test: unit ## Every test: units, Go, and the walks on a real cluster that is started and ended here

unit: ## The tests that need no cluster
	cargo test --workspace --locked
	$(if $(wildcard tests/cluster/go.mod),cd tests/cluster && go test ./...)

ci: ## All that CI does: lint and test
	@.ci/prepare build cluster
	@$(MAKE) lint
	@$(MAKE) test
