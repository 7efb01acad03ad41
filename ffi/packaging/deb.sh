#!/usr/bin/env bash
# Packs what install.sh has put below ROOT as a Debian package into OUT: deb.sh ROOT OUT
# What is packed is what is there, so cargo-deb gets a manifest that lists it.
set -euo pipefail
root=$1 out=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$top/Cargo.toml" | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/src"
rm -f "$out"/*.deb
touch "$work/src/lib.rs"
{
    cat << TOML
[package]
name = "libmmnas-runtime"
version = "$version"
edition = "2024"
authors = ["The mmnas developers"]
license = "MIT OR Apache-2.0"
description = "Answers questions about images, finds images and parts of them: C library with headers"
[workspace]
[package.metadata.deb]
maintainer = "The mmnas developers <mmnas@example.invalid>"
copyright = "The mmnas developers"
extended-description = """\\
Runs exported multimodal networks on ONNX Runtime (1.28 or newer), which it loads when it is first used and which is not part \\
of this package. Holds the shared and the static library, the headers for C and C++, pkg-config and CMake files, examples."""
section = "libs"
depends = "\$auto, libgcc-s1"
preserve-symlinks = true
assets = [
TOML
    (cd "$root" && find . -type f -o -type l) | sort | while read -r file; do
        file=${file#./} mode=644
        case $file in *.so.*) mode=755 ;; esac
        printf '  ["%s", "%s", "%s"],\n' "$root/$file" "$file" "$mode"
    done
    echo "]"
} > "$work/Cargo.toml"
# The compiler that the repository asks for, also where cargo runs elsewhere.
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup > /dev/null; then
    RUSTUP_TOOLCHAIN=$(cd "$top" && rustup show active-toolchain | cut -d ' ' -f 1)
    export RUSTUP_TOOLCHAIN
fi
cd "$work"
cargo generate-lockfile --offline --quiet
env -u CARGO_TARGET_DIR cargo deb --no-build --no-strip --output "$out/"
