# tidings: everything a person or a machine runs here. `make` alone lists the targets.
#
# What is built stays in target/ (Rust), dist/ (packages), build/ (all else) and node_modules/. The demo and the tests use the library
# as a user does: installed, into build/prefix.

PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
PYTHON  ?= python3
NODE    ?= node
NPM     ?= npm
CFLAGS  ?= -O2 -g
# -C leaves alone what has not changed, so that what depends on it is not built again.
INSTALL ?= install -C
LANGUAGE ?= c
PORT    ?= 8080
ID      ?=
ROUNDS  ?=
SEED    ?=
STEPS   ?=
SECONDS ?= 120
SOAK    ?= 600
SYSTEM  ?=
TIMES   ?= 100

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI     := $(shell sed -n 's/^const ABI_VERSION: u32 = \([0-9]*\);/\1/p' build.rs)
SONAME  := libtidings.so.$(ABI)
# What the Rust standard library needs when it is linked statically.
LIBS_PRIVATE := -lgcc_s -lpthread -lm -ldl -lc

# Header-only: the engine in a host's own event loop.
ADAPTERS := $(wildcard include/tidings/*.h)

# Installed where `make docs` has made them.
MAN_PAGES := build/docs/man/man3
MAN       = $(PREFIX)/share/man/man3
FUNCTIONS = $(shell awk '/^td_/ { print $$1 }' tests/abi/symbols.txt)

BUILT   := target/release
STAGE   := $(CURDIR)/build/prefix
VENV    := $(CURDIR)/build/venv
C_EXAMPLES := $(patsubst examples/c/%.c,build/examples/%,$(wildcard examples/c/*.c))
C_BENCHES  := $(patsubst benches/c/%.c,build/bench/%,$(filter-out benches/c/source.c,$(wildcard benches/c/*.c))) \
  build/bench/source.so build/bench/source.node
USE_STAGE  := -I$(STAGE)/include -L$(STAGE)/lib -Wl,-rpath,$(STAGE)/lib -ltidings -lpthread
C99     := -std=c99 -Wall -Wextra -Wpedantic

# Runners find what they test by these.
export TIDINGS_PREFIX := $(STAGE)
TOOLS := PYTHON=$(VENV)/bin/python NODE=$(NODE) NPM=$(NPM) CARGO=$(CARGO) CC=$(CC) MAKE=$(MAKE)

.PHONY: help build install uninstall stage examples python node prepare docs dist dist-c dist-python dist-node dist-rust demo serve test systems simulate fuzz tsan miri soak exits rules loom bench bench-growth bench-peers bench-docs bench-costs bench-guard bench-update benches check clean \
  examples-built python-built node-built benches-built dist-python-built
.DEFAULT_GOAL := help

help: ## list these targets
	@echo "tidings $(VERSION), ABI $(ABI)"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1#\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'#' '{ printf "  make %-10s %s\n", $$1, $$2 }'

# ---- the library

build: ## the library, shared and static, optimised
	$(CARGO) build --release --lib --locked
	@ln -sf libtidings.so $(BUILT)/$(SONAME)

# An rpath only where the dynamic linker does not look by itself.
RPATH := $(if $(filter /usr /usr/local,$(PREFIX)),,-Wl,-rpath,$${libdir})

install: build ## headers, libraries and pkg-config file into PREFIX (/usr/local); DESTDIR for packagers
	@case '$(PREFIX)' in /*) ;; *) echo "make install: PREFIX=$(PREFIX) must be an absolute path" >&2; exit 2;; esac
	@mkdir -p build
	@packaging/localise-archive.sh $(BUILT)/libtidings.a build/libtidings.a
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@RPATH@|$(RPATH)|' \
	  -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' packaging/tidings.pc.in > build/tidings.pc
	mkdir -p '$(DESTDIR)$(PREFIX)/include/tidings' '$(DESTDIR)$(PREFIX)/lib/pkgconfig'
	$(INSTALL) -m 644 include/tidings.h '$(DESTDIR)$(PREFIX)/include/tidings.h'
	$(INSTALL) -m 644 $(ADAPTERS) '$(DESTDIR)$(PREFIX)/include/tidings'
	$(INSTALL) -m 755 $(BUILT)/libtidings.so '$(DESTDIR)$(PREFIX)/lib/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(PREFIX)/lib/libtidings.so'
	$(INSTALL) -m 644 build/libtidings.a '$(DESTDIR)$(PREFIX)/lib/libtidings.a'
	$(INSTALL) -m 644 build/tidings.pc '$(DESTDIR)$(PREFIX)/lib/pkgconfig/tidings.pc'
	@if [ -d '$(MAN_PAGES)' ]; then mkdir -p '$(DESTDIR)$(MAN)' && $(INSTALL) -m 644 '$(MAN_PAGES)'/*.3 '$(DESTDIR)$(MAN)'; fi
	@if [ -z '$(DESTDIR)' ] && [ -z '$(RPATH)' ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

uninstall: ## what install put into PREFIX
	rm -f '$(DESTDIR)$(PREFIX)/include/tidings.h' '$(DESTDIR)$(PREFIX)/lib/$(SONAME)' \
	  '$(DESTDIR)$(PREFIX)/lib/libtidings.so' '$(DESTDIR)$(PREFIX)/lib/libtidings.a' \
	  '$(DESTDIR)$(PREFIX)/lib/pkgconfig/tidings.pc' $(patsubst include/%,'$(DESTDIR)$(PREFIX)/include/%',$(ADAPTERS)) \
	  $(patsubst %,'$(DESTDIR)$(MAN)/%.3',tidings $(FUNCTIONS))
	rmdir '$(DESTDIR)$(PREFIX)/include/tidings' 2>/dev/null || true

# Into the checkout itself, for the demo, the tests and the benchmarks.
stage: build
	@mkdir -p build
	@$(MAKE) --no-print-directory install PREFIX='$(STAGE)' DESTDIR= > build/stage.log 2>&1 || { cat build/stage.log; exit 1; }

# ---- the faces
# Each looks at the staged library only once it is there, in a make of its own.

examples: stage
	@$(MAKE) --no-print-directory examples-built

python: stage
	@$(MAKE) --no-print-directory python-built

node: stage
	@$(MAKE) --no-print-directory node-built

examples-built: $(C_EXAMPLES); @:
python-built: build/python-installed; @:
node-built: build/node-installed; @:
benches-built: $(C_BENCHES); @:

STAGED := $(STAGE)/include/tidings.h $(STAGE)/lib/$(SONAME)
sources = $(shell find $(1) -type f -not -path '*/node_modules/*' -not -path '*/build/*' -not -path '*/__pycache__/*' \
  -not -path '*.egg-info/*' -not -name '*.so*' 2>/dev/null)

build/examples/%: examples/c/%.c $(wildcard examples/c/*.h) $(STAGED)
	@mkdir -p $(@D)
	$(CC) $(C99) $(CFLAGS) $< -o $@ $(USE_STAGE)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || \
	  { echo "$(PYTHON) is older than 3.9; name a newer one by PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment; install its venv module" >&2; exit 1; }

build/python-installed: $(VENV)/bin/python $(call sources,bindings/python) $(STAGED)
	TIDINGS_LIB_DIR=$(STAGE)/lib $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check './bindings/python[test]'
	@touch $@

# node_modules/tidings is what `import ... from 'tidings'` finds from the examples and the tests.
build/node-installed: $(call sources,bindings/node) $(STAGED)
	cd bindings/node && TIDINGS_LIB_DIR=$(STAGE)/lib $(NPM) install --no-audit --no-fund --loglevel=error
	@mkdir -p node_modules && ln -sfn ../bindings/node node_modules/tidings
	@touch $@

prepare: examples python node

# ---- what the docstrings say

docs: python ## the references of C (HTML and man pages), Python and Rust, into build/docs; make install then installs the man pages
	@PYTHON=$(VENV)/bin/python CARGO=$(CARGO) scripts/docs.sh

# ---- packages

dist: dist-c dist-python dist-node dist-rust ## packages that install without a compiler, into dist/

# Headers, libraries and pkg-config file, to be unpacked anywhere.
ARCHIVE := tidings-$(VERSION)-linux-$(shell uname -m)

dist-c: build
	@rm -rf 'build/$(ARCHIVE)' && mkdir -p build dist
	@$(MAKE) --no-print-directory install PREFIX='$(CURDIR)/build/$(ARCHIVE)' DESTDIR= > build/dist-c.log 2>&1 || { cat build/dist-c.log; exit 1; }
	@sed -i 's|^prefix=.*|prefix=$${pcfiledir}/../..|' 'build/$(ARCHIVE)/lib/pkgconfig/tidings.pc'
	@cp LICENSE-APACHE LICENSE-MIT README.md 'build/$(ARCHIVE)'
	@tar -C build --owner=0 --group=0 --sort=name -czf 'dist/$(ARCHIVE).tar.gz' '$(ARCHIVE)'
	@rm -rf 'build/$(ARCHIVE)'
	@echo "dist/$(ARCHIVE).tar.gz"

dist-python: stage
	@$(MAKE) --no-print-directory dist-python-built

dist-python-built: build/python-packed; @:

build/python-packed: $(VENV)/bin/python $(call sources,bindings/python) $(STAGED)
	@$(VENV)/bin/python bindings/python/dist.py dist
	@touch $@

dist-node: node
	@NPM=$(NPM) $(NODE) bindings/node/scripts/dist.js dist

dist-rust:
	@mkdir -p build dist
	@$(CARGO) package --locked --allow-dirty --no-verify --quiet --target-dir build/crate
	@cp 'build/crate/package/tidings-$(VERSION).crate' dist/
	@echo 'dist/tidings-$(VERSION).crate'

# ---- what people run

demo: prepare ## the data stream served in C, Python and Node, and driven by curl
	@$(TOOLS) EXAMPLES_BIN=$(CURDIR)/build/examples examples/demo

serve: $(patsubst c,examples,$(filter c python node,$(LANGUAGE))) ## leave one server running: LANGUAGE=c|python|node PORT=8080, then curl -N localhost:8080/stream
	@scripts/serve.sh '$(LANGUAGE)' '$(PORT)'

test: prepare ## everything there is to test
	@$(TOOLS) scripts/test.sh

systems: node python ## the programs in examples/systems, driven by other people's clients; SYSTEM=name for one
	@$(TOOLS) scripts/systems.sh $(SYSTEM)

simulate: ## a million steps of users of every sort, by fresh seeds; SEED=n repeats one that failed, STEPS=n takes more
	@CARGO=$(CARGO) STEPS=$(STEPS) scripts/simulate.sh $(SEED)

fuzz: ## random sequences of C calls under AddressSanitizer, for SECONDS=120; needs nightly Rust
	@CARGO=$(CARGO) scripts/fuzz.sh $(SECONDS)

tsan: ## the stress tests under ThreadSanitizer; needs nightly Rust with rust-src
	@CARGO=$(CARGO) scripts/tsan.sh

miri: ## the unit tests under Miri; needs nightly Rust with miri
	@CARGO=$(CARGO) scripts/miri.sh

soak: stage ## ten minutes of churn with flat memory; SOAK=600
	@CC=$(CC) scripts/soak.sh $(SOAK)

exits: prepare ## processes that end in every way, with live streams; TIMES=100
	@$(TOOLS) $(VENV)/bin/python tests/exits/run.py $(TIMES)

rules: ## each rule of docs/semantics.md with the tests that hold it
	@$(PYTHON) scripts/rules.py

loom: ## the models of the hand-over, the doorbell, exits and cancels
	@CARGO=$(CARGO) scripts/loom.sh

bench: benches ## ours beside its peers: ID=P1 for one, all without; ROUNDS=7
	@$(BENCH) $(if $(ROUNDS),--rounds $(ROUNDS)) $(ID)

bench-growth: benches ## how the cost grows with the size, as log-log plots: ID=P11 for one; ROUNDS=3
	@$(BENCH) --growth $(if $(ROUNDS),--rounds $(ROUNDS)) $(ID)

bench-peers: $(VENV)/bin/python ## installs what the peers of the benchmarks need: Debian packages as root, the rest here
	@PYTHON=$(VENV)/bin/python benches/peers/install.sh

bench-docs: ## writes what bench and bench-growth have measured into docs/performance.md
	@mkdir -p docs/performance && cp target/bench/*.svg docs/performance/ 2>/dev/null || echo "no plots: make bench-growth draws them"
	@$(PYTHON) benches/table.py target/bench/results.json

bench-costs: stage ## writes into docs/performance.md what is always on costs, in instructions; needs valgrind and binutils
	@CC=$(CC) $(PYTHON) benches/guard/costs.py

bench-guard: stage ## instructions of fixed work beside their committed counts; needs valgrind
	@CC=$(CC) $(PYTHON) benches/guard/guard.py

bench-update: stage ## writes these counts anew, into benches/guard/counts.txt
	@CC=$(CC) $(PYTHON) benches/guard/guard.py --update

BENCH := $(VENV)/bin/python benches/run.py --programs build/bench --programs target/peers/release \
  --tool python=$(VENV)/bin/python --tool node=$(NODE) --tool cargo=$(CARGO)

NODE_HEADERS := $(NODE) -p 'require("./bindings/node/node_modules/node-api-headers").include_dir'

benches: prepare
	@$(MAKE) --no-print-directory benches-built
	@CARGO=$(CARGO) CC=$(CC) NODE_HEADERS="$$($(NODE_HEADERS))" benches/peers/build.sh build/bench

build/bench/%: benches/c/%.c benches/c/bench.h $(STAGED)
	@mkdir -p $(@D)
	$(CC) $(C99) -Ibenches/c -O2 $< -o $@ $(USE_STAGE)

# The native thread that sends to Python and to Node.
build/bench/source.so: benches/c/source.c benches/c/bench.h $(STAGED)
	@mkdir -p $(@D)
	$(CC) $(C99) -Ibenches/c -O2 -fPIC -shared $< -o $@ $(USE_STAGE)

build/bench/source.node: benches/node/source.c benches/c/source.c benches/c/bench.h $(STAGED)
	@mkdir -p $(@D)
	$(CC) $(C99) -Ibenches/c -isystem "$$($(NODE_HEADERS))" -O2 -fPIC -shared $(filter %.c,$^) -o $@ $(USE_STAGE)

check: ## formatting and lints
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path benches/peers/Cargo.toml
	$(CARGO) clippy --locked --all-targets -- -D warnings

clean: ## forget everything built
	rm -rf build dist node_modules bindings/node/node_modules bindings/node/build
	$(CARGO) clean
