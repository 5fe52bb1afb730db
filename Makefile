# Verbs only: each target is one line that calls the command of the same name. `make` alone prints them.
LAB ?=
BY ?=
CODE ?=
AT ?=
BUNDLE ?=
RUNTIME ?= auto
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/labdriver --runtime $(RUNTIME)
AS = $(if $(BY),--by "$(BY)")
THERE = $(if $(AT),--at "$(AT)")
LOCK := --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet

.DEFAULT_GOAL := help

$(VENV)/.installed: pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python %d.%d is too old: 3.11 or newer is needed; next: make PYTHON=python3.12 quickstart" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv (once; the downloads take a minute or two)"
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt && touch $@

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

##@ Start here
.PHONY: quickstart
quickstart: $(VENV)/.installed ## set up, start the stack, run the first lab, open its report
	@$(RUN) quickstart $(AS)

##@ The stack (RUNTIME=auto|local|k3d|kube)
.PHONY: preflight prefetch up smoke dev reset down
preflight: $(VENV)/.installed ## check this machine, without network
	@$(RUN) preflight
prefetch: $(VENV)/.installed ## fetch everything the stack needs, for working offline
	@$(RUN) prefetch $(BUNDLE)
up: $(VENV)/.installed ## start the stack, or repair it
	@$(RUN) up
smoke: $(VENV)/.installed ## probe every port, one line each
	@$(RUN) smoke
dev: $(VENV)/.installed ## bring edited code into service
	@$(RUN) dev
reset: $(VENV)/.installed ## wipe data and queues, keep the stack
	@$(RUN) reset
down: $(VENV)/.installed ## stop the stack and clean up
	@$(RUN) down

##@ A lab (LAB=timeouts BY=<your name>)
.PHONY: check run coach rescue report verify solutions
check: $(VENV)/.installed ## check the edit in seconds, without the stack; hints
	@$(RUN) check $(LAB)
run: $(VENV)/.installed ## run the lab, score it, open the report
	@$(RUN) run $(LAB) $(AS)
coach: $(VENV)/.installed ## what the last run waited on, and the next hint
	@$(RUN) coach $(LAB)
rescue: $(VENV)/.installed ## put the solution in place and rejoin
	@$(RUN) rescue $(LAB)
report: $(VENV)/.installed ## render all reports again from their records
	@$(RUN) report
verify: $(VENV)/.installed ## prove the lab: starter loses, solutions win, wrong fixes lose
	@$(RUN) verify $(LAB)
solutions: $(VENV)/.installed ## make the solution branches
	@$(RUN) solutions

##@ A session (CODE=K7QM4X AT=http://10.0.0.5:8082 BY=<your name>)
.PHONY: join facilitate leaderboard
join: $(VENV)/.installed ## take part; your runs go to its board from then on
	@$(RUN) join $(CODE) $(THERE) $(AS)
facilitate: $(VENV)/.installed ## the facilitator's page, with its token (AT= of another machine)
	@$(RUN) facilitate $(THERE)
leaderboard: $(VENV)/.installed ## show the board of this machine
	@$(RUN) leaderboard show

##@ For contributors
.PHONY: test lint bench lock
test: $(VENV)/.installed-dev ## run the whole test suite
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m 'not alone and not engine' && $(BIN)/python -m pytest -m alone
lint: $(VENV)/.installed-dev ## style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
bench: $(VENV)/.installed-dev ## measure what the issue table promises
	@$(BIN)/python -m bench
lock: ## pin every dependency again, with hashes (needs uv)
	@uv pip compile pyproject.toml --group install $(LOCK) -o requirements.txt && uv pip compile pyproject.toml --group install --group dev $(LOCK) -c requirements.txt -o requirements-dev.txt && uv pip compile --group services $(LOCK) -c requirements.txt -o services/requirements.txt
