# Everything runs from .venv, which the first target to need it makes. Needs make, and a Python of 3.11 or newer.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/peers
OTHERS := $(VENV)/interop/.installed
CLIENTS := tests/interop
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
SIDE_BY_SIDE := 2
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# An environment that was copied along with the tree belongs to the other tree, and one whose Python is gone to none:
# make it anew.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null) $(wildcard $(PYTHON)),$(CURDIR) $(PYTHON))
FOREIGN := force
endif

define WITHOUT_ADDRESSES
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
lock = json.loads(path.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
endef
export WITHOUT_ADDRESSES
# Every process reads what the first one has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up test interop nightly check format lock relock bench bench-peers chaos clean force
.DELETE_ON_ERROR:

help: ## Say what there is.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(INSTALLED) ## Run the whole story on this machine: sizing, confirming, running, reading back.
	@$(VENV)/bin/tidegate demo

up: $(INSTALLED) ## Start everything and keep it running: PostgreSQL, Valkey, server, workers, scheduler.
	@$(VENV)/bin/tidegate up

test: $(INSTALLED) ## Run the tests, on a real PostgreSQL and a real Valkey. ARGS are for pytest.
	@$(PYTHON) -m pytest --numprocesses $(SIDE_BY_SIDE) --dist loadfile $(ARGS)

interop: $(OTHERS) ## Hold the running server against the suites and clients of others. ARGS are for pytest.
	@$(PYTHON) -m pytest -m interop $(CLIENTS) $(ARGS)

nightly: $(OTHERS) ## The same, with many more generated cases over HTTP.
	@$(PYTHON) -m pytest -m interop $(CLIENTS) --cases 20 --least 5000 --http-seed "$$(date +%j)" $(ARGS)

check: $(INSTALLED) ## Format, lint, types, architecture.
	@$(PYTHON) -m ruff format --check --quiet . || { echo 'Not formatted: run `make format`.'; exit 1; }
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(INSTALLED) ## Format, and fix what can be fixed.
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

bench: $(INSTALLED) ## Measure, beside the raw limit. ARGS are for the benchmark.
	@$(PYTHON) -m benchmarks $(ARGS)

chaos: $(INSTALLED) ## Break everything, and check that nothing was lost. ARGS="--seconds 180 --seed 1 --people 1000".
	@$(PYTHON) -m benchmarks.chaos $(ARGS)

bench-peers: $(INSTALLED) ## Measure other engines at the same work. ARGS are for the benchmark.
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@$(PYTHON) -m benchmarks.peers $(PEERS)/bin/python $(ARGS)

lock: $(INSTALLED) ## Resolve the dependencies again, with hashes. UPGRADE=1 takes the newest.
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-annotate --no-header $(if $(UPGRADE),--upgrade) pyproject.toml --output-file requirements.lock
	@rm -rf $(VENV)/lock

# npm notes where to send money; we keep no addresses of others.
relock: $(OTHERS) ## The same for the clients of others: the newest that requirements.in and package.json allow.
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --upgrade $(CLIENTS)/requirements.in --output-file $(CLIENTS)/requirements.lock
	@rm -rf $(VENV)/lock
	@cd $(CLIENTS) && PATH="$(CURDIR)/$(VENV)/interop/bin:$$PATH" npm update --package-lock-only --loglevel=error
	@$(PYTHON) -c "$$WITHOUT_ADDRESSES" $(CLIENTS)/package-lock.json

# Node and npm come as a wheel, into an environment of their own; what the clients need is locked like everything else.
# Node trusts the authorities that the system trusts, as a network with one of its own has it.
$(OTHERS): $(INSTALLED) $(CLIENTS)/requirements.lock $(CLIENTS)/package-lock.json $(CLIENTS)/.npmrc
	@echo 'Preparing the clients of others; this happens once and takes about a minute.'
	@$(PYTHON) -m venv $(VENV)/interop
	@PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
		$(VENV)/interop/bin/python -m pip install --quiet --require-hashes -r $(CLIENTS)/requirements.lock
	@cd $(CLIENTS) && NODE_OPTIONS="--use-system-ca $$NODE_OPTIONS" PATH="$(CURDIR)/$(VENV)/interop/bin:$$PATH" \
		npm ci --loglevel=error
	@touch $(OTHERS)

clean: ## Remove what was made here, except the data directory.
	rm -rf $(VENV) $(CLIENTS)/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml $(FOREIGN)
	@set -e; \
	for candidate in $(CANDIDATES); do \
		if $$candidate -c '$(USABLE)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo 'Tidegate needs Python 3.11 or newer, with its venv module.' >&2; \
		echo 'On Debian or Ubuntu: apt install python3-venv. Elsewhere: install Python from python.org.' >&2; \
		exit 1; \
	fi; \
	if [ -n "$(FOREIGN)" ]; then rm -rf $(VENV); fi; \
	if [ ! -x $(PYTHON) ]; then echo 'Preparing .venv; this happens once and takes about a minute.'; $$found -m venv $(VENV); fi; \
	export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1; \
	$(PYTHON) -m pip install --quiet --require-hashes -r requirements.lock; \
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	printf '%s\n' '$(CURDIR)' > $(INSTALLED)
