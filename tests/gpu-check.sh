#!/usr/bin/env bash
# Comparisons with the published code and benchmarks on a machine with a GPU, by programs that were built elsewhere
# (`make gpu-bundle`). Usage: gpu-check.sh [REPORT]
#   LIBTORCH_CUDA=DIR   libtorch with CUDA: its folder or the lib folder in it; without, the one of Python's torch
#   MMNAS_ORT_DYLIB=FILE   an ONNX Runtime with CUDA; without, the one of Python's onnxruntime-gpu
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
report=${1:-gpu-check.txt}

torch=${LIBTORCH_CUDA:-}
if [ -z "$torch" ] && command -v python3 > /dev/null; then
  find='import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")'
  torch=$(python3 -c "$find")
fi
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

# The runtime: every graph on CUDA and on TensorRT beside what was recorded, and its time.
if [ -z "${MMNAS_ORT_DYLIB:-}" ] && command -v python3 > /dev/null; then
  find='import importlib.util as u; s = u.find_spec("onnxruntime"); print(s.submodule_search_locations[0] if s else "")'
  folder=$(python3 -c "$find")
  [ -z "$folder" ] || export MMNAS_ORT_DYLIB=$folder/capi
fi
if [ -z "${MMNAS_ORT_DYLIB:-}" ]; then
  echo "runtime: not checked: there is no ONNX Runtime (MMNAS_ORT_DYLIB=FILE names one)" | tee -a "$report"
  status=1
else
  for bundle in "$here"/bundles/*; do
    for provider in cuda tensorrt; do
      { echo; "$here/mmnas" verify "$bundle" --provider $provider --time 2>&1; } | tee -a "$report" || status=1
    done
  done
fi
echo "report: $report"
exit $status
