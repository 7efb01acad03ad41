#!/bin/sh
# The C compiler as a linker that lets the shared library export mmnas_* alone. rustc lists what to export, and with
# link-time optimisation that is also what crates that bind C++ export; linkers do not let a second list take names away.
here=$(dirname "$0")
for argument in "$@"; do
    case $argument in
    -Wl,--version-script=*) cp "$here/exports.map" "${argument#-Wl,--version-script=}" || exit 1 ;;
    esac
done
exec "${CC:-cc}" "$@"
