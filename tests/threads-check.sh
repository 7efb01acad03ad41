#!/usr/bin/env bash
# One retraining alone and two at once, with one and with two threads each, in turns: what `--threads` is for.
#   tests/threads-check.sh MMNAS_SEARCH SAMPLES FEATURES   of easy-VQA, as `make demo-search` makes them
set -euo pipefail
[ $# = 3 ] || { sed -n 2,3p "$0" >&2; exit 2; }
search=$1 samples=$2 features=$3
recipe="$(dirname "$0")/../search/experiments/easy_vqa/easy_vqa.toml"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# at_once RUNS THREADS SAMPLES: seconds until all have ended.
at_once() {
    local begun run pids=()
    begun=$(date +%s.%N)
    for run in $(seq "$1"); do
        "$search" retrain --threads "$2" --task vqa --architecture mcan:2 --recipe "$recipe" --samples "$samples" \
            --features "$features" --set retrain.epochs=1 --set retrain.epoch_samples="$3" --out "$folder/$run" > /dev/null 2> "$folder/$run.log" &
        pids+=($!)
    done
    for run in $(seq "$1"); do
        wait "${pids[run - 1]}" || { cat "$folder/$run.log" >&2; exit 1; }
        rm -r "${folder:?}/$run"
    done
    awk -v from="$begun" -v to="$(date +%s.%N)" -v runs="$1" -v threads="$2" \
        'BEGIN { printf "%d at once, --threads %d: %.1f s\n", runs, threads, to - from }'
}

for turn in 1 2; do
    for threads in 1 2; do
        at_once 1 "$threads" 6000
        at_once 2 "$threads" 3000
    done
done
