#!/usr/bin/env bash
# Installs the C library from a target folder: install.sh BUILT PREFIX [LIBDIR]
#   BUILT    the folder of libmmnas_runtime.so and .a and of NOTICE (notice.py), such as target/dist
#   PREFIX   where to; DESTDIR in the environment goes before it, for packagers
#   LIBDIR   the folder of libraries below PREFIX, "lib" unless given
#   STRIP in the environment: the strip of another system's binaries
#   ONNXRUNTIME in the environment: a folder with libonnxruntime.so, which is then installed beside the library
# The tree may be moved: nothing in it knows where it lies.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
built=$1 prefix=$2 libdir=${3:-lib}
libdir=${libdir%/}
case /$libdir/ in //* | */./* | */../* | *//*) echo "install: LIBDIR: expected a folder below PREFIX such as lib64, found \"$libdir\"" >&2; exit 2 ;; esac
to=${DESTDIR:-}$prefix
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -1)
abi=$(sed -n 's/^#define MMNAS_ABI_VERSION \(.*\)$/\1/p' "$root/include/mmnas_runtime.h")
up=$(printf '/..%.0s' $(seq "$(tr / '\n' <<< "$libdir" | wc -l)"))

install -d "$to/include" "$to/$libdir/pkgconfig" "$to/$libdir/cmake/mmnas_runtime" "$to/share/doc/mmnas-runtime/examples"
install -m 644 "$root/include/mmnas_runtime.h" "$root/include/mmnas_runtime.hpp" "$to/include"
# A program that runs keeps the file that it has: the new one is a new file.
rm -f "$to/$libdir/libmmnas_runtime.so.$abi"
install -m 755 "$built/libmmnas_runtime.so" "$to/$libdir/libmmnas_runtime.so.$abi"
"${STRIP:-strip}" --strip-unneeded "$to/$libdir/libmmnas_runtime.so.$abi"
ln -sf "libmmnas_runtime.so.$abi" "$to/$libdir/libmmnas_runtime.so"
install -m 644 "$built/libmmnas_runtime.a" "$to/$libdir"
for template in "$here"/*.pc.in "$here"/*.cmake.in; do
    name=$(basename "$template" .in)
    case $name in *.pc) out=$to/$libdir/pkgconfig/$name ;; *) out=$to/$libdir/cmake/mmnas_runtime/$name ;; esac
    sed -e "s|@VERSION@|$version|g; s|@ABI@|$abi|g; s|@LIBDIR@|$libdir|g; s|@UP@|$up|g" "$template" > "$out"
    chmod 644 "$out"
done
install -m 644 "$root"/ffi/examples/*.{c,cpp,py} "$root/ffi/examples/CMakeLists.txt" "$to/share/doc/mmnas-runtime/examples"
install -m 644 "$root/LICENSE-APACHE" "$root/LICENSE-MIT" "$built/NOTICE" "$to/share/doc/mmnas-runtime"
if [ -n "${ONNXRUNTIME:-}" ]; then
    # Under the name that is looked for first, with its licence.
    if [ -L "$to/$libdir/libonnxruntime.so" ]; then
        echo "install: $to/$libdir/libonnxruntime.so: a link is there, which another package has made; install elsewhere" >&2
        exit 1
    fi
    install -m 755 "$(readlink -f "$ONNXRUNTIME/libonnxruntime.so")" "$to/$libdir/libonnxruntime.so"
    for provider in "$ONNXRUNTIME"/libonnxruntime_providers_*.so; do
        [ ! -f "$provider" ] || install -m 755 "$provider" "$to/$libdir"
    done
    for file in LICENSE ThirdPartyNotices.txt; do
        [ ! -f "$ONNXRUNTIME/$file" ] || install -m 644 "$ONNXRUNTIME/$file" "$to/share/doc/mmnas-runtime/onnxruntime-$file"
    done
fi
echo "$to: mmnas runtime $version, ABI $abi, $(stat -c %s "$to/$libdir/libmmnas_runtime.so.$abi") bytes"
