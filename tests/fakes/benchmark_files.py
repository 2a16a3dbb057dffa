"""Benchmarks in miniature, in the official formats, made from their descriptions."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_json(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def write_lines(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


COLOURS = ("red", "blue", "green", "grey")


def video_mme(folder: Path) -> Path:
    """Three videos, one of each length, two questions each; the results form, whose videos hold their questions."""
    videos = []
    for number, length in enumerate(("short", "medium", "long"), 1):
        questions = [
            {
                "question_id": f"{number:03d}-{turn}",
                "task_type": "Counting Problem",
                "question": "Which colour is it?",
                "options": [f"{letter}. {text}." for letter, text in zip("ABCD", COLOURS, strict=True)],
                "answer": "AB"[turn - 1],
            }
            for turn in (1, 2)
        ]
        about = {"video_id": f"{number:03d}", "videoID": f"yt{number}", "duration": length, "domain": "Knowledge"}
        videos.append(about | {"sub_category": "Geography", "questions": questions})
    return write_json(folder / "video_mme.json", videos).parent


def lvbench(folder: Path) -> Path:
    asked = [
        {
            "uid": "11",
            "question": "What is on the table?\n(A) A cup\n(B) A hat\n(C) A cat\n(D) Nothing",
            "answer": "B",
            "question_type": ["entity recognition", "reasoning"],
            "time_reference": "00:15-00:25",
        },
        {
            "uid": "12",
            "question": "Who is it?\n(A) Ann\n(B) Bob\n(C) Cid\n(D) Dan",
            "answer": "D",
            "question_type": ["entity recognition"],
            "time_reference": "01:02:05-01:02:10",
        },
    ]
    line = {"key": "vid1", "type": "sport", "video_info": {"fps": 25}, "qa": asked}
    return write_lines(folder / "video_info.meta.jsonl", [line]).parent


def egoschema(folder: Path) -> Path:
    rows = [
        {"q_uid": uid, "google_drive_id": "x", "question": "What does C do?"}
        | {f"option {n}": f"C does {n}." for n in range(5)}
        for uid in ("aa", "bb", "cc")
    ]
    write_json(folder / "subset_answers.json", {"aa": 2, "bb": 0})
    return write_json(folder / "questions.json", rows).parent


def next_qa(folder: Path) -> Path:
    rows = [
        {
            "video": "4010069381",
            "frame_count": "369",
            "width": "640",
            "height": "480",
            "question": "why is it so",
            "answer": str(number % 5),
            "qid": str(number),
            "type": kind,
        }
        | {f"a{n}": f"thing {n}" for n in range(5)}
        for number, kind in enumerate(("CW", "CH", "TN", "TP", "TC", "DC"))
    ]
    write_json(folder / "map_vid_vidorID.json", {"4010069381": "1164/4010069381"})
    return write_csv(folder / "val.csv", rows).parent


def next_gqa(folder: Path) -> Path:
    rows = [
        {"video_id": "v1", "qid": str(number), "question": "why", "answer": "thing 1", "type": "CW"}
        | {f"a{n}": f"thing {n}" for n in range(5)}
        for number in range(4)
    ]
    located = {"0": [[0.0, 10.0]], "1": [[5.0, 10.0], [20.0, 30.0]], "2": [[40.0, 50.0]]}
    write_json(folder / "gsub_val.json", {"v1": {"duration": 60, "location": located}})
    return write_csv(folder / "val.csv", rows).parent


def mvbench(folder: Path) -> Path:
    common: dict[str, Any] = {
        "question": "What happens?",
        "candidates": ["It falls.", "It stands."],
        "answer": "It stands.",
    }
    sequence = [
        {"video": "a.mp4", "start": 2.0, "end": 5.0} | common,
        {"video": "a.mp4", "start": 0, "end": 2} | common,
    ]
    write_json(folder / "json" / "action_sequence.json", sequence)
    counted = [{"video": "b.webm", "question": "How many?", "candidates": ["1", "2", "3", "0"], "answer": "0"}]
    return write_json(folder / "json" / "moving_count.json", counted).parent.parent


def mlvu(folder: Path) -> Path:
    def row(kind: str, answer: str, number: int) -> dict[str, Any]:
        return {
            "video": f"{kind}_{number}.mp4",
            "duration": 480.0,
            "question": "Which?",
            "candidates": list(COLOURS),
            "answer": answer,
            "question_type": kind,
        }

    write_json(folder / "json" / "1_plotQA.json", [row("plotQA", "red", n) for n in range(3)])
    write_json(folder / "json" / "3_ego.json", [row("ego", "blue", 0)])
    open_ = {"video": "s.mp4", "duration": 1, "question": "Tell.", "answer": "A story.", "question_type": "summary"}
    return write_json(folder / "json" / "9_summary.json", [open_]).parent.parent


def cg_bench(folder: Path) -> Path:
    rows = [
        {
            "qid": number,
            "video_uid": "u1",
            "question": "What is it?",
            "choices": [f"choice {n}" for n in range(9)],
            "answer": "choice 8",
            "right_answer": "I",
            "clue_intervals": clues,
            "domain": "Life",
            "sub_category": "entity",
        }
        for number, clues in enumerate(([[0, 10], [20, 30]], [[5, 15]]))
    ]
    return write_json(folder / "cgbench.json", rows).parent


def tvqa(folder: Path) -> Path:
    rows = [
        {
            "qid": number,
            "q": "What does she hold?",
            "answer_idx": 3,
            "ts": span,
            "vid_name": "met_s06e22_seg01_clip_02",
            "show_name": "How I Met You Mother",
        }
        | {f"a{n}": f"thing {n}" for n in range(5)}
        for number, span in enumerate(("1.0-9.0", "nan-nan", "10-20"))
    ]
    return write_lines(folder / "tvqa_val.jsonl", rows).parent


def own(folder: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {
            "id": "a",
            "video": "tea.mp4",
            "question": "Which?",
            "options": ["tea", "milk"],
            "answer": "B",
            "spans": [[1, 2]],
        },
        {"id": "b", "video": "tea.mp4", "question": "What is poured?", "says": [["milk", "tea"]], "never": ["oil"]},
        {
            "id": "c",
            "video": "tea.mp4",
            "question": "When does the cat jump?",
            "refuses": True,
            "groups": {"type": "no"},
        },
    ]
    return write_lines(folder / "questions.jsonl", rows).parent


def natural(folder: Path) -> Path:
    questions = [
        {
            "question": "When is the milk poured?",
            "type": "time",
            "language": "en",
            "answer": {"says": [["milk"]], "cites": [[14, 18]], "refuses": False},
        },
        {"question": "Does a cat jump?", "type": "absent", "language": "en", "answer": {"refuses": True}},
    ]
    clips = {"clips": [{"video": "videos/tea.mp4", "questions": questions}]}
    return write_json(folder / "natural_questions.json", clips).parent


def retrieval(folder: Path) -> Path:
    questions = [
        {"question": "the milk", "spans": [[14, 18]], "type": "speech", "language": "en"},
        {"question": "a cat", "spans": [], "answerable": False},
    ]
    clips = {"clips": [{"video": "tea.mp4", "questions": questions}]}
    return write_json(folder / "retrieval_questions.json", clips).parent


def senses(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nNAR: Ask not what.\n")
    rows = [
        {"video": "a.mp4", "sense": "speech", "reference_file": "a.srt"},
        {"video": "tea.mp4", "sense": "ocr", "reference": "HOW TO MAKE TEA"},
    ]
    return write_lines(folder / "senses.jsonl", rows).parent


MINIATURES = {
    "video-mme": video_mme,
    "lvbench": lvbench,
    "egoschema": egoschema,
    "next-qa": next_qa,
    "next-gqa": next_gqa,
    "mvbench": mvbench,
    "mlvu": mlvu,
    "cg-bench": cg_bench,
    "tvqa": tvqa,
    "jsonl": own,
    "natural": natural,
    "retrieval": retrieval,
    "senses": senses,
}
"""What writes each benchmark into a folder, by its name; returns the folder."""
