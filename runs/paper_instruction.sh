#!/usr/bin/env bash
# Stage 2 of the paper (section 3.2.3, Stage2): 18 thousand conversations, three epochs, 4 machines of 8 GPUs.
#
#   MACHINE=0 MAIN=10.0.0.1 runs/paper_instruction.sh aligned/ tuned/    # on each machine, MACHINE=0 to 3
#
# aligned/ is what runs/paper_alignment.sh wrote. What the command does not name is the paper's: learning rate 2e-5,
# batch 1, 8 frames, 512 tokens. Data of your own, from `videochat instruct --out mine.jsonl`: add --data mine.jsonl.
set -euo pipefail
start=$1 out=$2
data=${DATA:-data}
exec accelerate launch --multi_gpu --num_machines 4 --num_processes 32 --machine_rank "${MACHINE:-0}" \
    --main_process_ip "${MAIN:-127.0.0.1}" --main_process_port 29500 -m videochat.cli \
    embed train instruction --model "$start" --out "$out" --precision fp16 --workers 8 \
    --checkpoint-every 200 --resume \
    --data "$data/videochat_instruct_11k.json:$data/webvid" \
    --data "$data/minigpt_caption_3k.json:$data/minigpt" \
    --data "$data/llava_conversation_2k.json:$data/coco" \
    --data "$data/llava_complex_reasoning_2k.json:$data/coco" "${@:3}"
