# Nothing but Python >= 3.11 and make is needed: every target makes the virtual environment .venv by itself.

define HELP
make book             the website, in _build/html       make serve     look at it
make test             everything CI checks              make lint      only ruff
make chapter C=mae    run one chapter in place          make zoo C=mae   retrain and record its models
make new C=words/gpt  lay out a new chapter             make readme    renew README's picture and its table of chapters
make audit            make recorded results anew, the longest unaudited first (MINUTES=30)
make bench            speed, as ratios against peers    make colab     a chapter in an imitation of Colab
make repository URL=https://github.com/you/evo-book     make lock      renew requirements.txt
make clean            remove what was built             make help      this

The first one that needs it installs .venv: 5.7 GB on Linux, most of it CUDA; with CPU=1 (as in: make book CPU=1) 2.0 GB.
endef
export HELP

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(shell $(p) -c \
	"import sys; (3, 11) <= sys.version_info < (3, 14) and print('$(p)')" 2>/dev/null)))
BIN     := .venv/bin
PY      := $(BIN)/python
READY   := .venv/.installed
WORKERS ?= 2
CPU     ?=# CPU=1: the first installation takes PyTorch's own builds without CUDA
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
CUDA    := ^(nvidia-|cuda-|triton==)

.PHONY: help book serve test lint chapter new readme zoo audit bench colab repository lock clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help:
	@echo "$$HELP"

book: $(READY)
	@$(PY) book/_ext/build.py

serve: $(READY)
	@test -f _build/html/index.html || $(PY) book/_ext/build.py
	@$(PY) book/_ext/serve.py

# fast things first: style, the website's own check, then all tests; the chapters and the browser come last
test: lint book
	@OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false PYTHONWARNDEFAULTENCODING=1 $(PY) -m pytest -n $(WORKERS) --dist loadscope \
		--no-loadscope-reorder --nbval --nbval-current-env --nbval-cell-timeout 600 --nbval-kernel-startup-timeout 300 --no-skips tests book

lint: $(READY)
	@$(BIN)/ruff check .

# what is missing is said before anything is installed
ifneq ($(filter chapter zoo new,$(MAKECMDGOALS)),)
ifeq ($(C),)
$(error name a chapter, as in: make $(firstword $(MAKECMDGOALS)) C=$(if $(filter new,$(MAKECMDGOALS)),words/gpt,mae))
endif
endif
ifneq ($(filter repository,$(MAKECMDGOALS)),)
ifeq ($(URL),)
$(error name the address, as in: make repository URL=https://github.com/you/evo-book)
endif
endif

chapter: $(READY)
	@$(PY) book/_ext/execute.py $(C)

new: $(READY)
	@$(PY) book/_ext/new.py $(C)

readme: $(READY)
	@$(PY) book/_ext/readme.py

zoo: $(READY)
	@$(BIN)/evo zoo record --anew $(C)
	@$(PY) book/_ext/execute.py $(C)

audit: $(READY)
	@$(BIN)/evo zoo audit --minutes $(or $(MINUTES),30)

bench: $(READY)
	@$(PY) tests/benchmarks/run.py

colab: $(READY)
	@$(PY) tests/colab/run.py $(C)

repository: $(READY)
	@$(PY) book/_ext/repository.py "$(URL)"
	@$(PY) book/_ext/readme.py
	@touch $(READY)  # the address in pyproject.toml is no reason to install everything again

lock: $(READY)
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 $(UPGRADE) \
		--quiet --no-annotate --no-header --output-file requirements.txt
	@{ echo "# The complete lock: all that the book, its tests and its website need, for Python 3.11 to 3.13."; \
	   echo "# Installed with --no-deps (d2l's wheel pins an old numpy that it does not need). Renewed by \`make lock\`."; \
	   echo "d2l==1.0.3"; cat requirements.txt; } > requirements.new && mv requirements.new requirements.txt

clean:
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +

# Where Python may not keep what it has compiled (PYTHONDONTWRITEBYTECODE), each of the tests' processes would compile torch
# and all the others anew, some ten seconds each; so there it is done here, once.
COMPILE = $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# --no-deps: requirements.txt is complete. uv is many times faster; where it cannot reach the package index that pip
# is set up for, pip does it. PIP_FIND_LINKS is emptied so that no local build of torch gets between torch and torchvision.
$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: https://www.python.org/downloads"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv || { echo "Python lacks venv; on Debian: apt install python3-venv"; exit 1; }
	@$(PY) -c "import sys; sys.exit(sys.prefix == sys.base_prefix)" || { echo ".venv is no virtual environment: rm -rf .venv"; exit 1; }
	@echo "installing requirements.txt into .venv, once ($(if $(CPU),2.0 GB,5.7 GB on Linux; with CPU=1 it is 2.0 GB))"
	@grep -Ev '^#$(if $(CPU),|$(CUDA)|^torch(vision)?==)' requirements.txt > .venv/lock.txt
	@grep -E '^torch(vision)?==' requirements.txt > .venv/torch.txt
	@export PIP_FIND_LINKS= PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
	index="$${PIP_INDEX_URL:-$$($(PY) -m pip config get global.index-url 2>/dev/null)}"; \
	$(PY) -m pip install -q "$$(grep '^uv==' requirements.txt)" && \
	UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}" $(BIN)/uv pip install -q --python $(PY) --no-deps $(COMPILE) -r .venv/lock.txt || \
	$(PY) -m pip install -q --no-deps -r .venv/lock.txt
	@$(if $(CPU),PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= $(PY) -m pip install -q --no-deps --index-url $(CPU_INDEX) -r .venv/torch.txt || \
	{ echo "$(CPU_INDEX) has no $$(tr '\n' ' ' < .venv/torch.txt)for this machine or is out of reach: make it without CPU=1"; exit 1; })
	@$(BIN)/uv pip install -q --python $(PY) --no-deps --no-build-isolation --editable . || \
	PIP_FIND_LINKS= $(PY) -m pip install -q --no-deps --no-build-isolation --editable .
	@touch $(READY)
