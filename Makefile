# `make demo` and `make test` do all set-up themselves; `make help` lists the rest.
#   WHEELS=DIR          install the native libraries from a folder of wheels, without any network

SHELL := /bin/bash
COMMA := ,
CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
$(if $(word 2,$(TARGET)),$(error the target folder "$(TARGET)" has a space in its name, which make cannot handle))
# Also where a user's cargo configuration says otherwise.
export CARGO_TARGET_DIR := $(TARGET)
BIN := $(TARGET)/release
# Not target/demo: that is where the search's demo used to keep its results.
DEMO := $(TARGET)/demo-pictures
MMNAS := $(BIN)/mmnas
SEARCH := $(BIN)/mmnas-search

.DELETE_ON_ERROR:
.PHONY: help demo test lint check setup build wheels clean-demo

help:
	@echo "make demo        answer, retrieve and ground with the bundles of the repository (pictures in $(DEMO))"
	@echo "make demo-search search, retrain, export and evaluate on easy-VQA (results in $(DEMO_SEARCH), kept and resumed)"
	@echo "make check       format, lints and unit tests: minutes, when they were built before"
	@echo "make test        all tests"
	@echo "make book        the documents as web pages in target/book"
	@echo "make build       the programs and the C library in $(BIN)"
	@echo "make setup       native libraries into .native/ (WHEELS=DIR: from a folder, offline; make wheels WHEELS=DIR fills it)"
	@echo "make install     the C library, headers, pkg-config and CMake files (PREFIX=DIR ONNXRUNTIME=.native/onnxruntime)"
	@echo "make deb         the same as a Debian package; wants cargo-deb"
	@echo "make package     the crates as a registry would take them"
	@echo "make header, reference, abi   write what is generated anew: the C header, the reference pages, the ABI's description"
	@echo "make bench, bench-without-vnni, fuzz, check-large, check-photos, gpu-bundle, gpu-check   (tests/checks.mk)"
	@echo "make bundles, compare-scenes, front-scenes               generated scenes (search/experiments/scenes)"
	@echo "make photos-vqa|itm|vgd, compare-…, transfer-…, ablation-…, tables   photographs (search/experiments/photos)"
	@echo "make latency-scenes|vqa|itm|vgd, time-…, measured-…      tables of a device, comparisons at equal time, ranking-scenes"
	@echo "make clean-demo  forget the demos' results"

setup:
	@need() { command -v "$$1" > /dev/null || { echo "setup: $$1 is missing: $$2" >&2; exit 1; }; }; \
	need $(CARGO) "install Rust, https://rustup.rs"; \
	need $(PYTHON) "install Python 3 with pip (Debian: apt install python3-pip)"; \
	need cc "install a C compiler (Debian: apt install build-essential)"; \
	need c++ "install a C++ compiler (Debian: apt install build-essential)"
	@$(PYTHON) .cargo/native/install.py $(if $(WHEELS),--wheels "$(WHEELS)")

wheels:
	@$(PYTHON) .cargo/native/install.py --download "$(or $(WHEELS),$(error WHEELS=DIR names the folder to download into))"
	@$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
	-r tests/python/requirements.txt -r tests/python/requirements-lancedb.txt -r tests/python/requirements-images.txt --dest "$(WHEELS)"

build: setup
	$(CARGO) build --release --locked -p mmnas-runtime -p mmnas-search -p mmnas-ffi
	@# Programs and libraries that lie beside a libonnxruntime.so find it without anything in the environment.
	@ln -sfn "$(CURDIR)/.native/onnxruntime/libonnxruntime.so" "$(BIN)/libonnxruntime.so"

test: setup
	@rm -f "$(TARGET)/skipped-tests.txt"
	$(if $(WHEELS),PIP_NO_INDEX=1 PIP_FIND_LINKS="$(abspath $(WHEELS))") $(CARGO) test --release --locked --workspace
	@# What tests left out because this machine lacks a tool for it.
	@[ ! -s "$(TARGET)/skipped-tests.txt" ] || cat "$(TARGET)/skipped-tests.txt"

# Minutes, when everything was built before: what to run before each commit.
check: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --workspace --all-targets --quiet -- -D warnings
	$(CARGO) test --release --locked --workspace --lib --quiet

lint: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --quiet --no-deps --workspace --exclude mmnas-tests

# What the bundles of the repository make of generated scenes; it needs ONNX Runtime alone, and no libtorch.
BUNDLES := runtime/bundles
PICTURE := $(BUNDLES)/scenes/08018.png

demo:
	@$(PYTHON) .cargo/native/install.py $(if $(WHEELS),--wheels "$(WHEELS)") onnxruntime
	$(CARGO) build --release --locked -p mmnas-runtime
	@ln -sfn "$(CURDIR)/.native/onnxruntime/libonnxruntime.so" "$(BIN)/libonnxruntime.so"
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@for task in vqa itm vgd; do $(MMNAS) verify $(BUNDLES)/$$task || exit 1; done
	@set -e; run() { printf '\n$$ mmnas'; for word; do \
	case "$$word" in *\ *) printf ' "%s"' "$$word";; *) printf ' %s' "$$word";; esac; done; printf '\n'; $(MMNAS) "$$@"; }; \
	run answer $(BUNDLES)/vqa $(PICTURE) "what color is the large object?" --explain $(DEMO)/answer.png; \
	run ground $(BUNDLES)/vgd $(PICTURE) "the medium violet circle" --draw $(DEMO)/grounding.png; \
	run rank $(BUNDLES)/itm --text "a yellow square above a purple triangle" $(BUNDLES)/scenes/*.png --top 3 --draw $(DEMO)/ranking.png
	@echo; echo "the pictures are in $(DEMO)"

clean-demo:
	rm -rf $(DEMO) $(DEMO_SEARCH)

include docs/docs.mk
include ffi/packaging/packaging.mk
include tests/checks.mk
include search/experiments/easy_vqa/easy_vqa.mk
include search/experiments/scenes/scenes.mk
include search/experiments/photos/photos.mk
