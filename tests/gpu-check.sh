#!/usr/bin/env bash
# Comparisons with the published code and benchmarks on a machine with a GPU, by programs that were built elsewhere
# (`make gpu-bundle`). Usage: gpu-check.sh [REPORT]
#   LIBTORCH_CUDA=DIR   libtorch with CUDA: its folder or the lib folder in it; without, the one of Python's torch
#   MMNAS_ORT_DYLIB=FILE   an ONNX Runtime with CUDA; without, the one of Python's onnxruntime-gpu
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
report=${1:-gpu-check.txt}

# The folder of one of Python's packages, or nothing.
package() {
  command -v python3 > /dev/null || return 0
  python3 -c "import importlib.util as u; s = u.find_spec('$1'); print(s.submodule_search_locations[0] if s else '')"
}

torch=${LIBTORCH_CUDA:-$(package torch)}
if [ -n "$torch" ]; then
  [ -d "$torch/lib" ] && torch=$torch/lib
  # It comes before the folder that the programs were linked with (a RUNPATH), so that all of libtorch is this one.
  export LD_LIBRARY_PATH=$torch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

status=0
# Numbers of 32 bits are compared, so TF32 is off, in the libraries that use it without being told too.
MMNAS_FIXTURES=$here/fixtures NVIDIA_TF32_OVERRIDE=0 "$here/gpu-check" | tee "$report" || status=1
if [ ! -s "$report" ]; then
  # Nothing was computed; the program has said why.
  rm -f "$report"
  exit 1
fi
for batch in 16 64; do
  { echo; "$here/bench-search" --device cuda --batch $batch; } | tee -a "$report" || status=1
done

{ echo; "$here/resume-check.sh" "$here/mmnas-search" "$here/experiments" 2>&1; } | tee -a "$report" || status=1

# The runtime: every graph on CUDA and on TensorRT beside what was recorded, and its time; the processor's beside it.
folder=${MMNAS_ORT_DYLIB:-$(package onnxruntime)}
[ -d "$folder/capi" ] && folder=$folder/capi
if [ -z "$folder" ]; then
  echo "runtime: not checked: there is no ONNX Runtime (MMNAS_ORT_DYLIB=FILE names one)" | tee -a "$report"
  exit 1
fi
export MMNAS_ORT_DYLIB=$folder
# CUDA's libraries that came with torch, for ONNX Runtime's provider: it names them, and no folder.
if [ -n "$torch" ]; then
  for libraries in "${torch%/torch/lib}"/nvidia/*/lib; do
    [ -d "$libraries" ] && export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$libraries
  done
fi
bundles=$(mktemp -d)
trap 'rm -rf "$bundles"' EXIT
"$here/gpu-bundles" --hidden 512 "$bundles/all" || { echo "runtime: not checked: the bundles could not be written" | tee -a "$report"; exit 1; }
for bundle in "$bundles"/all/*; do
  for provider in cpu cuda tensorrt; do
    { echo; echo "$(basename "$bundle"), $provider"; "$here/mmnas" verify "$bundle" --provider $provider --time 2>&1; } | tee -a "$report" || status=1
  done
done
echo "report: $report"
exit $status
