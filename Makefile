# SPDX-License-Identifier: GPL-3.0-or-later
# Everything a checkout can do. `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What is slow to make lies outside the checkout, keyed by what it is made from.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/baremetal-bigdata
export BB_CACHE := $(CACHE)

# The lab: its name and its addresses. Another pair gives another lab beside the first.
BB_LAB ?= lab
BB_LAB_PREFIX ?= 10.231.7
export BB_LAB BB_LAB_PREFIX

VENV := .venv
PYTHON ?= python3
TOOLS := $(CURDIR)/$(VENV)/bin
export PATH := $(TOOLS):$(PATH)

# The Kubernetes release of the lab, such as 1.35.4.
BB_KUBERNETES ?= $(shell sed -n 's/^cluster_kubernetes_version: //p' roles/cluster/defaults/main.yml)
export BB_KUBERNETES

# The apps of the lab, such as BB_APPS='hazelcast spark cassandra', and those whose images its mirror gets.
BB_APPS ?= hazelcast
BB_MIRROR_APPS ?= $(BB_APPS)
export BB_APPS BB_MIRROR_APPS

# Extra arguments for ansible-playbook, such as EXTRA='-e hazelcast_replicas=4'.
EXTRA ?=
PLAYBOOK = ansible-playbook -i inventories/lab
STATE = .$(BB_LAB)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ The lab: a bare-metal site in miniature on this machine

.PHONY: demo
demo: mirror ## Bare hosts to a running cluster with Hazelcast on it, then show how to look at it
	@$(PLAYBOOK) site.yml $(EXTRA)
	@echo
	@echo "ansible-playbook:  export PATH=$(TOOLS):\$$PATH"
	@echo "kubectl:           ssh -F $(STATE)/ssh_config cp1 sudo kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes"
	@echo "hosts:             ssh -F $(STATE)/ssh_config cp1"

.PHONY: converge
converge: .collections $(VENV) ## Run site.yml on the lab again (EXTRA='-e ...' for settings, EXTRA='--check --diff' to look)
	@$(PLAYBOOK) site.yml $(EXTRA)

.PHONY: mirror
mirror: artifacts lab-up ## Fill the lab's mirror, and point the lab's hosts at it
	@$(PLAYBOOK) playbooks/mirror.yml
	@$(PLAYBOOK) lab/prepare.yml

# The mirror playbook does the same, but cannot show its progress.
.PHONY: artifacts
artifacts: $(VENV) ## Collect programs and images: from upstream where it answers, else by building them (10 to 20 minutes, once)
	@python artifacts/collect.py --kubernetes=$(BB_KUBERNETES) --cache=$(CACHE)/artifacts \
	    $(BB_MIRROR_APPS:%=--app=%) --bundle=$(CACHE)/artifacts/bundle-$(BB_KUBERNETES).yml >/dev/null

.PHONY: lab-up
lab-up: .collections $(VENV) ## Start the lab's hosts, bare
	@$(PLAYBOOK) lab/create.yml

.PHONY: lab-down
lab-down: .collections $(VENV) ## Remove the lab's hosts, their volumes, their network and the lab's state
	@$(PLAYBOOK) lab/destroy.yml

##@ Tests

# Scenarios by name, such as SCENARIOS='cassandra spark'; minutes of the budget; FORCE=1 ignores what has passed before.
SCENARIOS ?=
TEST_MINUTES ?= 30
FORCE ?=
SUITE = python tests/suite.py --minutes=$(TEST_MINUTES) $(if $(FORCE),--force)

.PHONY: test
test: BB_MIRROR_APPS = hazelcast spark cassandra
test: artifacts .collections $(VENV) ## What CI runs: all but the scenarios, `default`, and scenarios whose inputs changed (or SCENARIOS)
	@$(SUITE) $(SCENARIOS)

.PHONY: test-all
test-all: BB_MIRROR_APPS = hazelcast spark cassandra
test-all: artifacts .collections $(VENV) ## All tests there are, with those that take minutes
	@$(SUITE) --all

.PHONY: lint
lint: .collections $(VENV) ## ansible-lint, yamllint, antsibull-changelog, ruff, mypy, shellcheck
	ruff check .
	ruff format --check .
	mypy
	shellcheck $$(git grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh')
	yamllint --strict .
	antsibull-changelog lint
	@# It looks for collections under ANSIBLE_HOME first: a copy of this one there would be linted with.
	ANSIBLE_HOME=$(CURDIR)/.ansible/lint ansible-lint --offline

.PHONY: unit
unit: .collections $(VENV) ## Unit tests, tests that run programs, and tests against a real API server on loopback
	@python artifacts/build.py --kubernetes=$(BB_KUBERNETES) --cache=$(CACHE)/artifacts \
	    --only=etcd --only=registry.k8s.io/kube-apiserver --bundle=$(CACHE)/artifacts/bundle-tests.yml >/dev/null
	pytest --numprocesses=2 --dist=loadfile tests/programs tests/api tests/unit

.PHONY: sanity
sanity: .collections $(VENV) ## ansible-test sanity
	tests/sanity.sh

.PHONY: collection
collection: .collections $(VENV) ## The built collection: its content, and that it runs from another directory
	tests/collection.sh

.PHONY: controllers
controllers: .collections $(VENV) ## The unit tests by a newer controller, the hosts' modules by an older Python, where these are there
	tests/controllers.sh

.PHONY: bench
bench: .collections $(VENV) ## Measure against the budgets of docs/architecture.md
	tests/bench/run.sh

##@ The collection

.PHONY: build
build: $(VENV) ## Build the collection's artifact
	ansible-galaxy collection build --force

.PHONY: clean
clean: ## Remove exactly what make created here: labs, tools, built collections (the cache stays; see clean-cache)
	@for state in .lab*; do \
	    [ -d "$$state" ] || continue; \
	    BB_LAB="$${state#.}" $(MAKE) lab-down; \
	done
	@rm -rf .collections .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis baremetal-bigdata-*.tar.gz
	@rm -rf $(VENV) .venv-controller

.PHONY: clean-cache
clean-cache: ## Remove the cache: tools, built artifacts and images
	@podman images --quiet 'localhost/baremetal-bigdata-*' 2>/dev/null | sort -u | xargs -r podman rmi --force
	@chmod -R u+w $(CACHE) 2>/dev/null; rm -rf $(CACHE)

# Python tools, in the cache and keyed by their pins; the checkout holds a link.
$(VENV): requirements.txt lab/prerequisites.sh lab/venv.sh
	@lab/prerequisites.sh
	@lab/venv.sh $(VENV) $(CACHE) $(PYTHON)

# Ansible finds the checkout under the collection's name.
.collections:
	@mkdir -p .collections/ansible_collections/baremetal
	@ln -sfn ../../.. .collections/ansible_collections/baremetal/bigdata
