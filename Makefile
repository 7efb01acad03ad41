# `make demo` and `make test` do all set-up themselves; `make help` lists the rest.
#   WHEELS=DIR          install the native libraries from a folder of wheels, without any network
#   BENCH=OPTIONS       options of bench-search, `--help` lists them
#   EXPORT_BENCH=OPTIONS, RUNTIME_BENCH=OPTIONS, SERVICE_BENCH=OPTIONS  options of bench-export, bench-runtime, bench-service
#   FUZZ_SECONDS=N      how long each fuzz target runs
#   LIBTORCH_CUDA=DIR   libtorch with CUDA, for gpu-check; without, that of Python's torch

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
DEMO_SEARCH := $(TARGET)/demo-search
GPU := $(TARGET)/gpu-check
EASY := .native/easy_vqa
RECIPE := search/experiments/easy_vqa/easy_vqa.toml
MMNAS := $(BIN)/mmnas
SEARCH := $(BIN)/mmnas-search
RUN := --recipe $(DEMO_SEARCH)/recipe.toml --samples $(DEMO_SEARCH)/data/train.jsonl --features $(DEMO_SEARCH)/features --resume

.DELETE_ON_ERROR:
.PHONY: help demo demo-search package dist install deb abi same-recipe test lint setup build header wheels clean-demo bench fuzz check-large check-photos gpu-bundle gpu-check bench-without-vnni

help:
	@echo "make demo        answer, retrieve and ground with the bundles of the repository (pictures in $(DEMO))"
	@echo "make demo-search search, retrain, export and evaluate on easy-VQA (results in $(DEMO_SEARCH), kept and resumed)"
	@echo "make test        all tests"
	@echo "make lint        rustfmt, clippy, and the crates' pages"
	@echo "make bench       speed of the steps of a search (BENCH='--only padding --repetitions 5') of exported graphs, of the runtime and its service"
	@echo "make bench-without-vnni  exported graphs on this processor as if it had AVX2 alone (Linux, x86-64; EXPORT_BENCH=OPTIONS)"
	@echo "make check-large weights past 2 GiB, exported, run and verified; takes 16 GB of memory"
	@echo "make check-photos classes and proposals on real photographs (DATA=DIR DETECTOR=yolox_nano.onnx; WEIGHTS=FILE for another EfficientNet-Lite)"
	@echo "make fuzz        hostile manifests, tokenizers, checkpoints, images and calls of the C ABI, a minute each (FUZZ_SECONDS=600); wants cargo-fuzz"
	@echo "make gpu-check   comparisons and benchmarks on a GPU, with a report (LIBTORCH_CUDA=DIR); needs no cargo where"
	@echo "                 $(GPU).tar.gz from 'make gpu-bundle' on another machine is unpacked in $(TARGET)"
	@echo "make setup       native libraries into .native/ (WHEELS=DIR: from a folder, offline)"
	@echo "make package     the crates as a registry would take them, built from what is packed"
	@echo "make abi         write ffi/packaging/abi.xml anew, when an ABI is released"
	@echo "make wheels      download the wheels into WHEELS=DIR, for a machine without network"
	@echo "make build       the programs and the C library in $(BIN)"
	@echo "make install     the C library, headers, pkg-config and CMake files (PREFIX=DIR ONNXRUNTIME=.native/onnxruntime)"
	@echo "make deb         the same as a Debian package in $(TARGET)/debian; wants cargo-deb"
	@echo "make header      write include/mmnas_runtime.h anew"
	@echo "make bundles     make runtime/bundles anew: search and train on generated scenes, half an hour a task"
	@echo "make compare-scenes  the search beside its rivals on questions about generated scenes"
	@echo "make photos-vqa, photos-itm, photos-vgd    real photographs, from folders of images to a bundle (DATA=DIR DETECTOR=FILE)"
	@echo "make compare-vqa, compare-itm, compare-vgd the search beside its rivals on them; transfer-… levers-… too; make tables prints"
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

# The C library as it is shipped. ONNXRUNTIME=DIR installs that ONNX Runtime beside it.
dist:
	@# LLD can keep one copy of functions that are the same; other linkers may not know how.
	$(CARGO) rustc --profile dist --locked -p mmnas-ffi --lib -- -C linker-flavor=gcc -C linker="$(CURDIR)/ffi/packaging/link.sh" $(if $(filter x86_64-unknown-linux-gnu,$(shell rustc -vV | sed -n 's/^host: //p')),-C link-arg=-Wl$(COMMA)--icf=all)
	@$(PYTHON) ffi/packaging/notice.py "$(TARGET)/dist/NOTICE"

ifneq ($(filter install,$(MAKECMDGOALS)),)
$(if $(PREFIX),,$(error PREFIX=DIR names the folder to install to, such as /usr/local))
endif
install: dist
	@ONNXRUNTIME="$(ONNXRUNTIME)" ffi/packaging/install.sh "$(TARGET)/dist" "$(PREFIX)" "$(or $(LIBDIR),lib)"

# A Debian package, by cargo-deb (`cargo install cargo-deb`), in $(TARGET)/debian.
deb: dist
	@command -v cargo-deb > /dev/null || { echo "deb: cargo-deb is missing: cargo install cargo-deb" >&2; exit 1; }
	@command -v dpkg-architecture > /dev/null || { echo "deb: dpkg-architecture is missing (Debian: apt install dpkg-dev)" >&2; exit 1; }
	@rm -rf "$(TARGET)/deb-root"
	@DESTDIR="$(abspath $(TARGET))/deb-root" ffi/packaging/install.sh "$(TARGET)/dist" /usr "lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
	@ffi/packaging/deb.sh "$(abspath $(TARGET))/deb-root" "$(abspath $(TARGET))/debian"

test: setup
	@rm -f "$(TARGET)/skipped-tests.txt"
	$(if $(WHEELS),PIP_NO_INDEX=1 PIP_FIND_LINKS="$(abspath $(WHEELS))") $(CARGO) test --release --locked --workspace
	@# What tests left out because this machine lacks a tool for it.
	@[ ! -s "$(TARGET)/skipped-tests.txt" ] || cat "$(TARGET)/skipped-tests.txt"

lint: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --quiet --no-deps --workspace --exclude mmnas-tests

# The crates as a registry would take them, built from what is packed.
package: setup
	$(CARGO) package --locked --workspace --exclude mmnas-tests

bench: setup
	@$(CARGO) build --release --locked --quiet -p mmnas-tests --bin bench-search --bin bench-export \
	--bin bench-runtime --bin bench-service
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-search -- $(BENCH)
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-export -- $(EXPORT_BENCH)
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-export -- --int8 $(EXPORT_BENCH)
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-runtime -- $(RUNTIME_BENCH)
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-service -- $(SERVICE_BENCH)

# The kernels that ONNX Runtime has for processors without VNNI, at the speed of this one.
bench-without-vnni: setup
	@$(CARGO) build --release --locked --quiet -p mmnas-tests --bin bench-export
	@cc -O2 -Wall -Wextra -shared -fPIC tests/c/without_vnni.c -o "$(TARGET)/without_vnni.so"
	@LD_PRELOAD="$(abspath $(TARGET))/without_vnni.so" $(BIN)/bench-export --int8 $(EXPORT_BENCH)

# libFuzzer wants a nightly compiler, or one that is told to behave like it; `cargo install cargo-fuzz` brings the command.
fuzz: setup
	@command -v cargo-fuzz > /dev/null || { echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
	@# The C ABI is called on real bundles.
	@[ -d "$(TARGET)/fuzz-bundles" ] || { rm -rf "$(TARGET)/fuzz-bundles.part" && $(CARGO) run --release --locked -q \
	-p mmnas-tests --bin gpu-bundles -- --hidden 64 "$(TARGET)/fuzz-bundles.part" && mv "$(TARGET)/fuzz-bundles.part" "$(TARGET)/fuzz-bundles"; }
	@set -e; export MMNAS_FUZZ_BUNDLES="$(abspath $(TARGET))/fuzz-bundles" MMNAS_ORT_DYLIB="$(CURDIR)/.native/onnxruntime"; \
	for target in manifest tokenizer checkpoint image c_abi; do \
	mkdir -p "$(TARGET)/fuzz-corpus/$$target"; cp -n tests/fuzz/corpus/$$target/* "$(TARGET)/fuzz-corpus/$$target/"; \
	corpus="$$(realpath "$(TARGET)/fuzz-corpus/$$target")"; \
	(cd tests/fuzz && unset CARGO_TARGET_DIR && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target "$$corpus" -- \
	-max_total_time=$(or $(FUZZ_SECONDS),60) -timeout=20 -rss_limit_mb=3000 -max_len=16384 -verbosity=0 -print_final_stats=1); done

gpu-bundle: setup
	$(CARGO) build --release --locked -p mmnas-tests --bin gpu-check --bin gpu-bundles --bin bench-search
	$(CARGO) build --release --locked -p mmnas-runtime --bin mmnas
	$(CARGO) build --release --locked -p mmnas-search --bin mmnas-search
	@rm -rf "$(GPU)" && mkdir -p "$(GPU)/fixtures"
	@cp $(BIN)/gpu-check $(BIN)/gpu-bundles $(BIN)/bench-search $(BIN)/mmnas $(BIN)/mmnas-search tests/gpu-check.sh tests/resume-check.sh "$(GPU)"
	@mkdir -p "$(GPU)/experiments" && cp -r search/experiments/easy_vqa search/experiments/scenes "$(GPU)/experiments"
	@cp -r tests/fixtures/official tests/fixtures/official_full "$(GPU)/fixtures"
	@tar -C "$(TARGET)" -czf "$(GPU).tar.gz" gpu-check
	@echo "$(GPU).tar.gz: unpack it on a machine with a GPU and PyTorch 2.11, and run gpu-check/gpu-check.sh"

# Where there is no cargo, with the programs that were brought.
gpu-check: $(if $(shell command -v $(CARGO)),gpu-bundle)
	@[ -x "$(GPU)/gpu-check.sh" ] || { echo "gpu-check: expected the programs in $(GPU), found none; 'make gpu-bundle' on a machine with cargo makes them" >&2; exit 1; }
	@LIBTORCH_CUDA="$(LIBTORCH_CUDA)" "$(GPU)/gpu-check.sh" "$(GPU).txt"

check-large: setup
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin check-large

# The photographs and the detector are the user's: the repository holds neither.
check-photos: setup
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin check-photos -- \
	--data "$(or $(DATA),$(error DATA=DIR names the folder of flickr8k/ and phrases/))" \
	--detector "$(or $(DETECTOR),$(error DETECTOR=FILE names yolox_nano.onnx))" $(if $(WEIGHTS),--weights "$(WEIGHTS)")

header: setup
	$(CARGO) run --release --locked -p mmnas-tests --bin update-header

# What the next release is compared with, by abidiff; written when an ABI is released.
abi: setup
	@command -v abidw > /dev/null || { echo "abi: abidw is missing (Debian: apt install abigail-tools)" >&2; exit 1; }
	@mkdir -p "$(TARGET)/abi"
	$(CARGO) run --release --locked -p mmnas-tests --bin update-header -- --stub "$(TARGET)/abi/stub.c"
	@cc -g -shared -fPIC -Iinclude "$(TARGET)/abi/stub.c" -o "$(TARGET)/abi/libmmnas_runtime.so"
	@abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file ffi/packaging/abi.xml "$(TARGET)/abi/libmmnas_runtime.so"

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

# The stages of the demo of a search. Each leaves its result behind, so a demo that was interrupted goes on where it was; the
# prerequisites are order-only, because what is there is whole and not to be made again for a file's time.
$(DEMO_SEARCH)/recipe.toml: | build
	@mkdir -p "$(DEMO_SEARCH)" && cp $(RECIPE) $@

$(DEMO_SEARCH)/data/test.jsonl: | build
	@$(SEARCH) convert easy-vqa $(EASY) --out $(DEMO_SEARCH)/data

$(DEMO_SEARCH)/vision/vision.json: | build
	@$(SEARCH) vision --weights .native/efficientnet/efficientnet_lite0.pth --out $(DEMO_SEARCH)/vision

$(DEMO_SEARCH)/features/features.json: | $(DEMO_SEARCH)/vision/vision.json
	@$(MMNAS) extract --vision $(DEMO_SEARCH)/vision --images $(EASY)/train/images --out $(DEMO_SEARCH)/features

$(DEMO_SEARCH)/search/done: | $(DEMO_SEARCH)/recipe.toml $(DEMO_SEARCH)/data/test.jsonl $(DEMO_SEARCH)/features/features.json
	@$(SEARCH) search $(RUN) --out $(DEMO_SEARCH)/search
	@touch $@

$(DEMO_SEARCH)/retrain/done: | $(DEMO_SEARCH)/search/done
	@$(SEARCH) retrain $(RUN) --architecture $(DEMO_SEARCH)/search/architecture.json --out $(DEMO_SEARCH)/retrain
	@touch $@

$(DEMO_SEARCH)/bundle/manifest.json: | $(DEMO_SEARCH)/retrain/done
	@$(SEARCH) export $(DEMO_SEARCH)/retrain --vision $(DEMO_SEARCH)/vision --out $(DEMO_SEARCH)/bundle

demo-search: same-recipe build $(DEMO_SEARCH)/bundle/manifest.json
	@$(MMNAS) verify $(DEMO_SEARCH)/bundle
	@echo; echo "$(EASY)/test/images/0.png: what color is the shape?"
	@$(MMNAS) answer $(DEMO_SEARCH)/bundle $(EASY)/test/images/0.png "what color is the shape?"
	@echo
	@$(MMNAS) evaluate $(DEMO_SEARCH)/bundle --samples $(DEMO_SEARCH)/data/test.jsonl --images $(EASY)/test/images
	@echo
	@$(MMNAS) evaluate $(DEMO_SEARCH)/bundle --samples $(DEMO_SEARCH)/data/test.jsonl --images $(EASY)/test/images --variant ort-int8
	@echo; $(SEARCH) report $(DEMO_SEARCH)/search --images $(EASY)/train/images
	@echo "try: $(MMNAS) answer $(DEMO_SEARCH)/bundle $(EASY)/test/images/1.png \"is there a circle?\" \"what shape is in the image?\""

same-recipe:
	@[ ! -e $(DEMO_SEARCH)/recipe.toml ] || cmp -s $(RECIPE) $(DEMO_SEARCH)/recipe.toml \
	|| { echo "demo-search: $(DEMO_SEARCH) was made with another $(RECIPE); 'make clean-demo' forgets it" >&2; exit 1; }

clean-demo:
	rm -rf $(DEMO) $(DEMO_SEARCH)

include search/experiments/scenes/scenes.mk
include search/experiments/photos/photos.mk
