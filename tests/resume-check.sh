#!/usr/bin/env bash
# Whether a search and a retraining that are killed (SIGKILL) end, resumed, as those that were not: retrieval on generated scenes with mined
# negatives. Usage: resume-check.sh PROGRAM RECIPES [DEVICE]
#   PROGRAM   mmnas-search        RECIPES   the folder of scenes/ and easy_vqa/        DEVICE   as of --device; without, cuda
set -euo pipefail
program=$1 recipes=$2 device=${3:-cuda}
work=$(mktemp -d) child=
clean() {
  [ -z "$child" ] || kill -9 "$child" 2> "$work/gone.txt" || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
"$program" scenes --images 120 --test 2 --out "$work/scenes" > "$work/scenes.txt"
common=(--task itm --set itm.contrastive.cosine_init=true --recipe "$recipes/scenes/scenes_itm.toml" --samples "$work/scenes/train.itm.jsonl" --features "$work/scenes/features/train" --device "$device")
# Two epochs of eight steps; the negatives of the second are mined.
training() {
  echo "--set $1.epochs=2 --set $1.epoch_samples=512 --set $1.batch=64 --set $1.checkpoint_steps=3 --set $1.negatives.from_epoch=1 --set $1.negatives.mine_from_epoch=1"
}

fail() {
  cat "$1.txt" >&2
  echo "resume-check: $2" >&2
  exit 1
}

# run OUT COMMAND…: whole. What it says is shown where it fails.
run() {
  local out=$1
  shift
  "$program" "$@" --out "$out" > "$out.txt" 2>&1 || fail "$out" "it failed"
}

# The time of a run's checkpoint, or nothing.
stamp() { stat -c %y "$1/checkpoint.safetensors" 2> "$work/gone.txt" || true; }

# killed OUT COMMAND…: the same, killed in its second epoch, after the checkpoint between two steps, and resumed from there.
killed() {
  local out=$1 first code=0
  shift
  "$program" "$@" --out "$out" > "$out.txt" 2>&1 &
  child=$!
  SECONDS=0
  until [ "$out/checkpoint.safetensors" -nt "$out/log.jsonl" ] && [ -s "$out/log.jsonl" ]; do wait_a_little "$out"; done
  first=$(stamp "$out")
  until [ "$(stamp "$out")" != "$first" ]; do wait_a_little "$out"; done
  kill -9 "$child" 2> "$work/gone.txt" || true
  wait "$child" 2> "$work/gone.txt" || code=$?
  child=
  [ "$code" = 137 ] || fail "$out" "it ended before it was killed"
  run "$out" "$@" --resume
  grep -Eq 'resumed at epoch 1, step [1-9]' "$out.txt" || fail "$out" "it was not resumed between two steps"
}
wait_a_little() {
  kill -0 "$child" 2> "$work/gone.txt" || fail "$1" "it ended before it was killed"
  [ "$SECONDS" -lt 600 ] || fail "$1" "no checkpoint in ten minutes"
  sleep 0.01
}

# same A B FILE: whether the file and, but for the seconds, the log are the same.
same() {
  local run
  for run in "$1" "$2"; do sed -E 's/"seconds":[^,}]*//' "$run/log.jsonl" > "$run.log"; done
  [ "$(wc -l < "$1.log")" = 2 ] && cmp -s "$1.log" "$2.log" && cmp -s "$1/$3" "$2/$3"
}

# check COMMAND FILE OPTION…: the same command whole and killed.
status=0
check() {
  local command=$1 file=$2 whole="$work/$1"
  shift 2
  run "$whole" "$command" "${common[@]}" "$@"
  killed "$whole-killed" "$command" "${common[@]}" "$@"
  if same "$whole" "$whole-killed" "$file"; then
    echo "$command, killed and resumed on $device: the same log and $file"
    return
  fi
  status=1
  run "$whole-again" "$command" "${common[@]}" "$@"
  if same "$whole" "$whole-again" "$file"; then
    echo "$command, killed and resumed on $device: DIFFERS"
  else
    echo "$command on $device: DIFFERS from run to run, killed or not"
  fi
}
read -ra settings <<< "$(training search.weights) --set search.alpha_from_epoch=1"
check search architecture.json "${settings[@]}"
read -ra settings <<< "$(training retrain) --set retrain.decay_epochs=[1]"
check retrain network.safetensors "${settings[@]}" --architecture mcan:1
exit $status
