# Two commands do all the set-up: `make demo` and `make test`. Each makes .venv when it is
# missing and installs what it needs; a stamp in there remembers it until pyproject.toml changes.

VENV := .venv
BENCH := .venv-bench

# `make PYTHON=python3.13 …` chooses the interpreter of a new .venv.
PYTHON ?=

# An environment whose Python was removed or replaced is made anew.
$(foreach env,$(VENV) $(BENCH),$(shell test -x $(env)/bin/python || rm -f $(env)/pyvenv.cfg))

.PHONY: help demo test check docs bench clean

help:
	@echo "make demo    watch two years of real changes to 28,000 airports, then browse them"
	@echo "             (DEMO_ARGS=--no-serve ends after the changes)"
	@echo "make test    run the suite on SQLite, PostgreSQL 18 and, where one answers, MariaDB"
	@echo "             (TEST_ARGS='--databases sqlite -k since' narrows it)"
	@echo "make check   lint, types, import contracts, missing migrations"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make bench   measure against plain Django and the rivals (BENCH_ARGS=…)"
	@echo "make clean   remove the environments and everything built"

demo: $(VENV)/.demo
	@$(VENV)/bin/python testproj/manage.py demo $(DEMO_ARGS)

test: $(VENV)/.tests
	@$(VENV)/bin/python -m tests $(TEST_ARGS)

check: $(VENV)/.tests $(VENV)/.types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m mypy
	$(VENV)/bin/lint-imports --config setup.cfg
	$(VENV)/bin/python testproj/manage.py makemigrations --check --dry-run

docs: $(VENV)/.docs
	@$(VENV)/bin/python -m sphinx -W --keep-going --quiet -b html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html."

bench: $(BENCH)/.benchmarks
	@$(BENCH)/bin/python -m benchmarks $(BENCH_ARGS)

clean:
	rm -rf $(VENV) $(BENCH) .tox .ci/work build *.egg-info docs/_build .coverage* .*_cache

# Environments ---------------------------------------------------------------------------------

# $(call install,ENVIRONMENT,EXTRA,WHO NEEDS IT)
define install
@echo "Installing what $(3) into $(1) …"
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(2)]'
endef

$(VENV)/.demo: pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,$(VENV),demo,the demo needs)
	@touch $@

# mysqlclient has no ready-made wheel: where it cannot be built, the suite does without MariaDB.
$(VENV)/.tests: pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,$(VENV),tests,the tests need)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check mysqlclient \
		>$(VENV)/mysqlclient.log 2>&1 \
		|| echo "mysqlclient cannot be built here, so MariaDB is left out (CONTRIBUTING.md says what it needs)."
	@touch $@

$(VENV)/.types: pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,$(VENV),types,the linters need)
	@touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/pyvenv.cfg
	$(call install,$(VENV),docs,the documentation needs)
	@touch $@

$(BENCH)/.benchmarks: pyproject.toml $(BENCH)/pyvenv.cfg
	$(call install,$(BENCH),benchmarks,the benchmarks need)
	@touch $@

CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)

$(VENV)/pyvenv.cfg $(BENCH)/pyvenv.cfg:
	@for candidate in $(CANDIDATES); do \
		$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		python=$$candidate; \
		$$candidate -c 'import ensurepip, venv' 2>/dev/null && break || bare=$$candidate; \
	done; \
	if [ -z "$$python" ]; then \
		echo "There is no Python 3.11 or newer here (looked for: $(CANDIDATES)). Install one, or name it: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	elif [ "$$python" = "$$bare" ]; then \
		echo "$$python cannot make virtual environments. Install its venv module (Debian, Ubuntu: apt install python3-venv) and try again." >&2; \
		exit 1; \
	fi; \
	echo "Making $(@D) with $$($$python --version) …"; \
	$$python -m venv --clear $(@D) && touch $@
