#!/usr/bin/env bash
# A miniature that proves learning: draw a world, train both stages on two CPU cores, ask about held-out videos.
#
#   runs/toy_cpu.sh [--baselines]
#
# Prints a table; writes build/toy/ (or $OUT): worlds, models, toy.md, toy.json, toy.png. What is there already is
# kept, and a training that was stopped goes on. --baselines trains the other architectures, too, to compare.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-build/toy}
threads=${THREADS:-2}
python=${PYTHON:-.venv/bin/python}
models=full
[[ ${1:-} == --baselines ]] && models="full neither paper times"

# Threads that wait asleep: two that spin beside any other work make a step thirty times as long.
export OMP_WAIT_POLICY=passive

$python -m runs.toy draw "$out"
recipe=(--learn all --learning-rate 1e-3 --floor 0.05 --warmup-epochs 0.4 --batch 16 --clip-norm 1 --crop-area 1 --flip 0
    --remember --threads "$threads" --checkpoint-every 500 --resume)
for model in $models; do
    [[ -f $out/$model/start/config.json ]] || $python -m runs.toy start "$out" "$model"
    [[ -f $out/$model/aligned/config.json ]] || $python -m videochat.cli embed train alignment \
        --model "$out/$model/start" --data "$out/world/alignment.json" --out "$out/$model/aligned" \
        --epochs 3 --frames 4 "${recipe[@]}"
    [[ -f $out/$model/tuned/config.json ]] || $python -m videochat.cli embed train instruction \
        --model "$out/$model/aligned" --data "$out/world/instruction.json" --out "$out/$model/tuned" \
        --epochs 14 --frames 8 "${recipe[@]}"
done
$python -m runs.toy table "$out"
