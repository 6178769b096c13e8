# Entry points; the work is done by tools/. `make help` lists them.

PYTHON ?= python3
FUNCTIONS := validate charge ship notify intake
VENV_PYTHON := .venv/bin/python
STACK := $(VENV_PYTHON) tools/stack.py

.DEFAULT_GOAL := help
.PHONY: help setup check-tools build up down env run test check-terraform

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | while IFS='	' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

setup: check-tools .venv/current ## What Cargo does not install: .venv with pinned, hash-checked tools

check-tools: ## Is everything needed on this machine?
	@$(PYTHON) tools/stack.py check

# Only after requirements.txt has changed; a failed installation leaves no mark behind.
.venv/current: requirements.txt
	@echo "installing requirements.txt into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

build: setup ## The functions and the tools, for this machine
	cargo build --workspace --bins --locked
	@$(PYTHON) tools/package.py $(FUNCTIONS)

up: build ## The local stack, with our Terraform applied
	@$(STACK) up

down: ## Ends the local stack and leaves nothing running
	@$(PYTHON) tools/stack.py down

env: ## eval "$(make -s env)": point any AWS tool of this shell at the local stack
	@$(PYTHON) tools/stack.py env

run: build ## A fresh local stack, and the sample orders followed live through it
	@$(STACK) down
	@$(STACK) up
	@$(VENV_PYTHON) tools/run.py

check-terraform: build ## Terraform's format, configuration and settings
	@$(PYTHON) tools/terraform.py

test: build ## Every check and test
	@echo "to be wired" && false
