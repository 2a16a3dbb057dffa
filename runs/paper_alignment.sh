#!/usr/bin/env bash
# Stage 1 of the paper (section 3.2.3, Stage1): 25 million pairs, one epoch, 4 machines of 8 GPUs.
#
#   MACHINE=0 MAIN=10.0.0.1 runs/paper_alignment.sh start/ aligned/      # on each machine, MACHINE=0 to 3
#
# start/ is made by `videochat embed convert start/ --vit ... --qformer ... --llm vicuna-7b-v0/ --new-layers`. The
# annotations are upstream's JSON lists; $DATA holds them and the folders their paths start from. What the command
# does not name is the paper's: learning rate 1e-4, batch 32, 4 frames, captions of 32 tokens. 13B: add --batch 16.
set -euo pipefail
start=$1 out=$2
data=${DATA:-data}
exec accelerate launch --multi_gpu --num_machines 4 --num_processes 32 --machine_rank "${MACHINE:-0}" \
    --main_process_ip "${MAIN:-127.0.0.1}" --main_process_port 29500 -m videochat.cli \
    embed train alignment --model "$start" --out "$out" --precision fp16 --workers 8 --unchecked \
    --checkpoint-every 1000 --resume \
    --data "$data/webvid_10m.json:$data/webvid" \
    --data "$data/cc3m.json:$data/cc3m" --data "$data/cc12m.json:$data/cc12m" --data "$data/coco.json:$data/coco" \
    --data "$data/vg.json:$data/vg" --data "$data/sbu.json:$data/sbu" "${@:3}"
