# What is measured or asked for by hand: benchmarks, fuzzing, checks on GPUs, on large weights and on photographs.
#   BENCH=OPTIONS       options of bench-search, `--help` lists them
#   EXPORT_BENCH=OPTIONS, RUNTIME_BENCH=OPTIONS, SERVICE_BENCH=OPTIONS  options of bench-export, bench-runtime, bench-service
#   FUZZ_SECONDS=N      how long each fuzz target runs
#   LIBTORCH_CUDA=DIR   libtorch with CUDA, for gpu-check; without, that of Python's torch

GPU := $(TARGET)/gpu-check

.PHONY: bench bench-latency bench-without-vnni fuzz gpu-bundle gpu-check check-large check-photos

# What the sum of the probes predicts beside what random networks take: LATENCY_BENCH=OPTIONS. It goes on where it ended;
# remove the folder to measure anew.
bench-latency: setup
	@$(CARGO) run --release --locked --quiet -p mmnas-tests --bin bench-latency -- --keep "$(TARGET)/bench-latency" $(LATENCY_BENCH)

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
