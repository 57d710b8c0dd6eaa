# Every target sets up its own .venv; the second run is quick.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# `tpm` is compiled and needs libtss2-dev, pkg-config and gcc; without it the tests of that store skip.
EXTRAS ?= dev

.PHONY: demo serve test test-postgresql check drills drills-long rehearsal bench screenshots clean

$(READY): pyproject.toml
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(READY)
	@$(BIN)/warifu-ca demo

serve: $(READY)
	@$(BIN)/warifu-ca demo --serve

test: $(READY)
	@$(BIN)/python -m pytest -n auto --dist worksteal

# The tests of the records once more, on a PostgreSQL of their own (Debian package postgresql).
test-postgresql: $(READY)
	@WARIFU_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n auto --dist worksteal tests/ca_server/operations tests/ca_server/web

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

drills: $(READY)
	@$(BIN)/python -m tests.drills

drills-long: $(READY)
	@$(BIN)/python -m tests.drills --long

rehearsal: $(READY)
	@$(BIN)/python -m tests.rehearsal --picture rehearsal.svg

bench: $(READY)
	@$(BIN)/python -m bench --json bench.json --picture bench.svg

screenshots: $(READY)
	@$(BIN)/python -m tests.screenshots

clean:
	@rm -rf $(VENV)
