# The C library as it is shipped: built, installed, packed, and what holds its ABI.

.PHONY: dist install deb abi header package

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

header: setup
	$(CARGO) run --release --locked -p mmnas-tests --bin update-header

# What the next release is compared with, by abidiff; written when an ABI is released.
abi: setup
	@command -v abidw > /dev/null || { echo "abi: abidw is missing (Debian: apt install abigail-tools)" >&2; exit 1; }
	@mkdir -p "$(TARGET)/abi"
	$(CARGO) run --release --locked -p mmnas-tests --bin update-header -- --stub "$(TARGET)/abi/stub.c"
	@cc -g -shared -fPIC -Iinclude "$(TARGET)/abi/stub.c" -o "$(TARGET)/abi/libmmnas_runtime.so"
	@abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file ffi/packaging/abi.xml "$(TARGET)/abi/libmmnas_runtime.so"

# The crates as a registry would take them, built from what is packed.
package: setup
	$(CARGO) package --locked --workspace --exclude mmnas-tests
