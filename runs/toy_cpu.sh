#!/usr/bin/env bash
# A miniature that proves learning: draw a world, train both stages on two CPU cores, ask about held-out videos.
#
#   runs/toy_cpu.sh [--baselines] [--seeds N]
#
# Prints a table; writes build/toy/ (or $OUT): worlds, models, toy.md, toy.json, toy.png. What is there already is
# kept, and a training that was stopped goes on. --baselines trains the other architectures, too, to compare; --seeds
# trains each from so many random starts, up to five, and says how far they lie apart.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-build/toy}
threads=${THREADS:-2}
python=${PYTHON:-.venv/bin/python}
models=full seeds=1
while (($#)); do
    case $1 in
        --baselines) models="full times neither paper" ;;
        --seeds) seeds=${2:?--seeds takes a number} && shift ;;
        *) echo "$0: $1 is no option; --baselines and --seeds N are" >&2 && exit 2 ;;
    esac
    shift
done

# Threads that wait asleep: two that spin beside any other work make a step thirty times as long.
export OMP_WAIT_POLICY=passive

$python -m runs.toy draw "$out"
recipe=(--learn all --learning-rate 1e-3 --floor 0.05 --warmup-epochs 0.4 --batch 16 --clip-norm 1 --crop-area 1 --flip 0
    --remember --threads "$threads" --checkpoint-every 500 --resume)
for ((seed = 1; seed <= seeds; seed++)); do
    for model in $models; do
        at=$out/$model-$seed
        [[ -f $at/start/config.json ]] || $python -m runs.toy start "$out" "$model" "$seed"
        [[ -f $at/aligned/config.json ]] || $python -m videochat.cli embed train alignment \
            --model "$at/start" --data "$out/world/alignment.json" --out "$at/aligned" \
            --epochs 3 --frames 4 --seed "$seed" "${recipe[@]}"
        [[ -f $at/tuned/config.json ]] || $python -m videochat.cli embed train instruction \
            --model "$at/aligned" --data "$out/world/instruction.json" --out "$at/tuned" \
            --epochs 14 --frames 8 --seed "$seed" "${recipe[@]}"
    done
done
$python -m runs.toy table "$out"
