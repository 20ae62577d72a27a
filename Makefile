# The commands of this repository; `make help` lists them.
#
# On a fresh Debian 12 nothing else is needed: what is missing is installed first, Debian's packages with
# sudo when not root, Python's into .venv. A second copy of the demo: DEMO_HOME=... DEMO_BASE_PORT=...

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

DEMO_PACKAGES := prometheus prometheus-alertmanager prometheus-node-exporter prometheus-postgres-exporter \
    prometheus-redis-exporter prometheus-nginx-exporter prometheus-blackbox-exporter nginx-light
BROWSER_PACKAGES := chromium fonts-dejavu-core
TEST_PACKAGES := $(DEMO_PACKAGES) $(BROWSER_PACKAGES) redis-server postgresql-15 pgbouncer docker-compose

# Rooms whose branches must be covered, and how far.
COVERED := --cov=collectors --cov=ui.window --cov=settings --cov-branch --cov-report=term-missing:skip-covered
COVERED_PERCENT := 90

# All tests take half the time with two at once; those of one file stay together, because they share what they start.
AT_ONCE := -n 2 --dist loadfile

# What asks the store of log lines.
LOG_TESTS := $(wildcard tests/collectors/test_log_*.py tests/views/test_log_*.py) tests/collectors/test_other_collectors.py \
    tests/collectors/test_source_faults.py tests/views/logs/test_pattern_views.py tests/web/test_export.py \
    tests/pages/test_logs_page.py tests/test_worker.py

.PHONY: help demo demo-status demo-stop gameday gamedays run dev test test-elasticsearch lint lock benchmarks screenshots \
    debian-demo debian-test debian-browser

help: ## List these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Start Synaptic, all it needs and the console here; Ctrl-C stops (DETACH=1: return when ready)
	@$(MAKE) -s --no-print-directory -j2 debian-demo .venv/.installed-demo
	@$(if $(filter real,$(ELASTICSEARCH)),scripts/elasticsearch.sh build || echo "The demo starts without it.")
	@ELASTICSEARCH=$(ELASTICSEARCH) $(BIN)/python -m demo up $(if $(DETACH),--detach) $(foreach part,$(WITHOUT),--without $(part))

demo-status: .venv/.installed-demo ## Show each part of the running demo
	@$(BIN)/python -m demo status

demo-stop: .venv/.installed-demo ## Stop the demo
	@$(BIN)/python -m demo stop

gameday: .venv/.installed-demo ## Injure the running demo: FAULT=name; FAULT=off heals; without: the list
	@$(BIN)/python -m demo gameday $(FAULT)

gamedays: .venv/.installed-demo ## Play every fault on the running demo and write down what Overview says
	@$(BIN)/python -m scripts.gamedays

run: .venv/.installed-runtime ## Start the console alone: CONFIG=my.toml
	@test -n "$(CONFIG)" || { echo "Which settings? make run CONFIG=my.toml" >&2; exit 1; }
	@SYNAPTIC_CONSOLE_CONFIG=$(abspath $(CONFIG)) $(BIN)/streamlit run app.py

dev: .venv/.installed-demo ## Start the console against the running demo, reloading on change (port 8501)
	@home=$${DEMO_HOME:-.demo}; test -f $$home/console.toml || { echo "First: make demo DETACH=1" >&2; exit 1; }; \
	SYNAPTIC_CONSOLE_CONFIG=$$home/console.toml SYNAPTIC_ADMIN_TOKEN=$$(<$$home/run/admin-token) \
	$(BIN)/streamlit run app.py --server.address=127.0.0.1 --server.port=8501 --server.fileWatcherType=auto --server.runOnSave=true

test: ## Run all tests and show the coverage (ARGS="-k name": some of them)
	@$(MAKE) -s --no-print-directory -j2 debian-test .venv/.installed-test
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(AT_ONCE) $(COVERED) --cov-fail-under=$(COVERED_PERCENT))

test-elasticsearch: ## Run the tests of the logs on a real Elasticsearch; needs a Java compiler and Maven
	@$(MAKE) -s --no-print-directory -j2 debian-test .venv/.installed-test
	@scripts/elasticsearch.sh build
	@ELASTICSEARCH=real $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),$(LOG_TESTS))

lint: .venv/.installed-lint ## Check style, types, doors between rooms, dependencies, container recipes
	@scripts/lint.sh

lock: .venv/.installed-lint ## Pin all packages anew, with hashes, in requirements/
	@scripts/lock.sh

benchmarks: debian-browser .venv/.installed-benchmark ## Measure: NAME=frames; without: list what can be measured
	@$(BIN)/python -m benchmarks $(if $(NAME),$(NAME) --json,--list)

screenshots: debian-browser .venv/.installed-test ## Take pictures of all pages from the running demo, into screenshots/
	@$(BIN)/python -m scripts.screenshots $(ARGS)

debian-demo:
	@scripts/install-debian.sh $(DEMO_PACKAGES)

debian-test:
	@scripts/install-debian.sh $(TEST_PACKAGES)

debian-browser:
	@scripts/install-debian.sh $(BROWSER_PACKAGES)

.venv/.installed-%: requirements/%.txt
	@scripts/venv.sh $*
