"""Readers: the official annotation files of each benchmark, as items.

Formats as their publishers give them; docs/how_to/evaluate.md lists the files. Nothing is downloaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysubs2

from videochat.errors import InvalidArgument
from videochat.evaluation.items import Expected, Item, Reading, index_of, without_letters
from videochat.evaluation.tables import Row, find_file, find_files, numbered_rows, read_items, read_json
from videochat.evaluation.word_errors import words_of
from videochat.intervals import Interval, parse_clock

_OPTION_LINE = re.compile(r"^\s*\(?([A-H])[.):]\s*(.+?)\s*$", re.MULTILINE)


def read_video_mme(folder: Path, chosen: Path | None = None) -> Reading:
    """Read Video-MME: the Parquet table `test-00000-of-00001`, or a results file whose videos hold `questions`."""
    path = find_file(folder, ["test-*.parquet", "*video*mme*.json*", "*Video*MME*.json*"], chosen, "Video-MME's table")

    def rows() -> Iterator[tuple[str, Row | str]]:
        for where, row in numbered_rows(path):
            if isinstance(row, str) or "questions" not in row:
                yield where, row
                continue
            for number, question in enumerate(row["questions"], 1):
                yield f"{where}, question {number}", {**row, **question}

    def make(row: Row) -> Item:
        options = without_letters(list(row["options"]))
        groups = {
            "duration": row.get("duration") or row.get("duration_category"),
            "domain": row.get("domain") or row.get("video_category"),
            "task": row.get("task_type"),
        }
        video = str(row.get("videoID") or row["video_id"])
        right = index_of(row["answer"], options)
        return Item(str(row["question_id"]), video, row["question"], options, right, groups=_groups(**groups))

    return read_items(rows(), make)


def read_lvbench(folder: Path, chosen: Path | None = None) -> Reading:
    """Read LVBench: `video_info.meta.jsonl`, a video a line, the options inside each question."""
    path = find_file(folder, ["video_info.meta.jsonl", "*.meta.jsonl"], chosen, "LVBench's video_info.meta.jsonl")

    def rows() -> Iterator[tuple[str, Row | str]]:
        for where, row in numbered_rows(path):
            if isinstance(row, str):
                yield where, row
                continue
            for asked in row.get("qa", []):
                yield f"{where}, uid {asked.get('uid')}", {**asked, "key": row.get("key"), "genre": row.get("type")}

    def make(row: Row) -> Item:
        text = str(row["question"])
        listed = list(_OPTION_LINE.finditer(text))
        if not listed:
            raise InvalidArgument("no options stand in the lines of its question")
        options = tuple(match[2] for match in listed)
        start, dash, end = str(row.get("time_reference") or "").partition("-")
        spans = ((parse_clock(start), parse_clock(end)),) if dash else ()
        kinds = row.get("question_type") or []
        groups = [("type", kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        question = text[: listed[0].start()].strip()
        right = index_of(row["answer"], options)
        several = (*groups, *_groups(genre=row.get("genre")))
        return Item(str(row["uid"]), str(row["key"]), question, options, right, spans=_spans(spans), groups=several)

    return read_items(rows(), make)


def read_egoschema(folder: Path, chosen: Path | None = None) -> Reading:
    """Read EgoSchema: `questions.json`, and `subset_answers.json` for the 500 questions whose answers are public."""
    path = find_file(folder, ["questions.json", "*.parquet"], chosen, "EgoSchema's questions.json")
    beside = path.with_name("subset_answers.json")
    answers: dict[str, Any] = read_json(beside) if beside.is_file() else {}

    def make(row: Row) -> Item:
        id_ = str(row.get("q_uid") or row["video_idx"])
        listed = row.get("option")
        options = without_letters(listed) if listed else tuple(str(row[f"option {n}"]) for n in range(5))
        answer = answers.get(id_, row.get("truth", row.get("answer")))
        return Item(id_, id_, row["question"], options, None if answer is None else index_of(answer, options))

    return read_items(numbered_rows(path), make)


def read_next_qa(folder: Path, chosen: Path | None = None) -> Reading:
    """Read NExT-QA, multiple choice: `val.csv` or `test.csv`, and `map_vid_vidorID.json` for the videos' folders."""
    path = find_file(folder, ["val.csv", "test.csv", "*nextqa*.csv"], chosen, "NExT-QA's val.csv or test.csv")
    names = _names(path.parent, folder)

    def make(row: Row) -> Item:
        options = tuple(row[f"a{n}"] for n in range(5))
        right = int(row["answer"])
        id_ = f"{row['video']}_{row['qid']}"
        return Item(id_, _video(row["video"], names), row["question"], options, right, groups=_groups(type=row["type"]))

    return read_items(numbered_rows(path), make)


def read_next_gqa(folder: Path, chosen: Path | None = None) -> Reading:
    """Read NExT-GQA: `val.csv` or `test.csv`, with the spans of `gsub_val.json` or `gsub_test.json` beside it."""
    path = find_file(folder, ["val.csv", "test.csv"], chosen, "NExT-GQA's val.csv or test.csv")
    spans_file = path.with_name(f"gsub_{path.stem}.json")
    if not spans_file.is_file():
        raise InvalidArgument(f"NExT-GQA needs {spans_file.name} beside {path.name}: the spans of the answers.")
    located: dict[str, Any] = read_json(spans_file)
    names = _names(path.parent, folder)

    def make(row: Row) -> Item | None:
        video, qid = str(row["video_id"]), str(row["qid"])
        spans = located.get(video, {}).get("location", {}).get(qid)
        if spans is None:  # as the official scorer: what is not located is not asked
            return None
        options = tuple(row[f"a{n}"] for n in range(5))
        id_, right = f"{video}_{qid}", index_of(row["answer"], options)
        groups = _groups(type=row["type"])
        return Item(id_, _video(video, names), row["question"], options, right, spans=_spans(spans), groups=groups)

    return read_items(numbered_rows(path), make)


def read_mvbench(folder: Path, chosen: Path | None = None) -> Reading:
    """Read MVBench: a JSON list for each task, named after it; `start` and `end` say which part is asked about."""
    where = folder / "json" if (folder / "json").is_dir() else folder
    files = find_files(where, "*.json", chosen, "JSON list of a task of MVBench")

    def rows() -> Iterator[tuple[str, Row | str]]:
        for file in files:
            for number, (at, row) in enumerate(numbered_rows(file), 1):
                yield at, row if isinstance(row, str) else {**row, "task": file.stem, "number": number}

    def make(row: Row) -> Item:
        options = tuple(str(candidate) for candidate in row["candidates"])
        window = (float(row["start"]), float(row["end"])) if row.get("end") is not None else None
        id_, right = f"{row['task']}-{row['number']}", index_of(row["answer"], options)
        return Item(id_, row["video"], row["question"], options, right, groups=_groups(task=row["task"]), window=window)

    return read_items(rows(), make)


def read_mlvu(folder: Path, chosen: Path | None = None) -> Reading:
    """Read MLVU: the JSON lists of its multiple-choice tasks; open tasks, which have no candidates, are left out."""
    files = find_files(folder, "*.json", chosen, "JSON list of a task of MLVU")

    def rows() -> Iterator[tuple[str, Row | str]]:
        for file in files:
            for number, (at, row) in enumerate(numbered_rows(file), 1):
                yield at, row if isinstance(row, str) else {**row, "row": f"{file.stem}-{number}"}

    def make(row: Row) -> Item | None:
        if not row.get("candidates"):
            return None
        options = tuple(str(candidate) for candidate in row["candidates"])
        id_ = str(row.get("question_id") or row["row"])
        right = None if row.get("answer") is None else index_of(row["answer"], options)
        return Item(id_, row["video"], row["question"], options, right, groups=_groups(task=row["question_type"]))

    return read_items(rows(), make)


def read_cg_bench(folder: Path, chosen: Path | None = None) -> Reading:
    """Read CG-Bench: `cgbench.json` or `cgbench_mini.json`, with the intervals of the clues."""
    path = find_file(folder, ["cgbench.json", "cgbench_mini.json", "*.parquet"], chosen, "CG-Bench's cgbench.json")

    def make(row: Row) -> Item:
        options = without_letters([str(choice) for choice in row["choices"]])
        right = index_of(row.get("right_answer", row["answer"]), options)
        groups = _groups(domain=row.get("domain"), sub_category=row.get("sub_category"))
        spans = _spans(row.get("clue_intervals") or ())
        id_ = str(row.get("qid", f"{row['video_uid']}: {row['question']}"))
        return Item(id_, row["video_uid"], row["question"], options, right, spans=spans, groups=groups)

    return read_items(numbered_rows(path), make)


def read_tvqa(folder: Path, chosen: Path | None = None) -> Reading:
    """Read TVQA or TVQA+: `tvqa_val.jsonl`, with the span of each question; a video is a folder of pictures."""
    path = find_file(folder, ["tvqa_val.jsonl", "tvqa_plus_val.json", "tvqa*val*"], chosen, "TVQA's tvqa_val.jsonl")

    def make(row: Row) -> Item:
        options = tuple(row[f"a{n}"] for n in range(5))
        answer, span = row.get("answer_idx"), row.get("ts")
        ends = [float(s) for s in (span.split("-") if isinstance(span, str) else span or ())]
        spans = [ends] if len(ends) == 2 and not any(map(math.isnan, ends)) else []
        groups = _groups(show=row.get("show_name"))
        right = None if answer is None else int(answer)
        return Item(str(row["qid"]), row["vid_name"], row["q"], options, right, spans=_spans(spans), groups=groups)

    return read_items(numbered_rows(path), make)


def read_jsonl(folder: Path, chosen: Path | None = None) -> Reading:
    """Read a benchmark of one's own: JSON lines with `video`, `question` and, of these, what applies.

    `id`; `options` with `answer` (letter, index or text); `says`, `never`, `refuses` for an open question; `spans`;
    `groups`, an object; `window`; `after`.
    """
    path = find_file(folder, ["questions.jsonl", "*.jsonl"], chosen, "questions.jsonl")

    def make(row: Row) -> Item:
        options = without_letters([str(option) for option in row.get("options", ())])
        open_ = any(key in row for key in ("says", "never", "refuses"))
        right = index_of(row["answer"], options) if row.get("answer") is not None else None
        window = row.get("window")
        return Item(
            str(row.get("id") or f"{row['video']}: {row['question']}"),
            str(row["video"]),
            str(row["question"]),
            options,
            right,
            Expected.read(row) if open_ else None,
            _spans(row.get("spans", ())),
            _groups(**row.get("groups", {})),
            (float(window[0]), float(window[1])) if window else None,
            tuple(row.get("after", ())),
        )

    return read_items(numbered_rows(path), make)


def read_natural(folder: Path, chosen: Path | None = None) -> Reading:
    """Read natural questions: clips, each with questions whose `answer` says what is right and where."""
    path = find_file(folder, ["natural_questions*.json"], chosen, "a file of natural questions")

    def make(row: Row) -> Item:
        right = row["answer"]
        groups = _groups(type=row.get("type"), language=row.get("language"))
        after = tuple(row.get("after") or ())
        spans = _spans(right.get("cites") or ())
        expected = Expected.read(right)
        return Item(
            row["id"], row["video"], row["question"], expected=expected, spans=spans, groups=groups, after=after
        )

    return read_items(_asked_of_clips(path), make)


def read_retrieval(folder: Path, chosen: Path | None = None) -> Reading:
    """Read questions of which only is known where the answer is: clips, each with questions that have `spans`."""
    path = find_file(folder, ["retrieval_questions*.json"], chosen, "a file of questions with spans")

    def make(row: Row) -> Item | None:
        if not row.get("answerable", True) or not row["spans"]:
            return None  # there is no right moment
        groups = _groups(type=row.get("type"), language=row.get("language"))
        return Item(row["id"], row["video"], row["question"], spans=_spans(row["spans"]), groups=groups)

    return read_items(_asked_of_clips(path), make)


def read_senses(folder: Path, chosen: Path | None = None) -> Reading:
    """Read what single senses must make out: JSON lines with `video`, `sense` and `reference` or `reference_file`.

    A reference is a text; its file is one of subtitles below the folder.
    """
    path = find_file(folder, ["senses.jsonl"], chosen, "senses.jsonl")

    def make(row: Row) -> Item:
        reference = row.get("reference") or _subtitle_text(folder, row["reference_file"])
        if not words_of(reference):
            raise InvalidArgument("its reference has no words")
        id_ = f"{row['video']}-{row['sense']}"
        return Item(id_, row["video"], row["sense"], groups=_groups(sense=row["sense"]), reference=reference)

    return read_items(numbered_rows(path), make)


def _subtitle_text(folder: Path, name: str) -> str:
    path = next(iter(sorted(folder.rglob(name))), None)
    if path is None:
        raise InvalidArgument(f"there is no {name} below {folder}")
    return " ".join(cue.plaintext for cue in pysubs2.load(str(path), encoding="utf-8"))


def _asked_of_clips(path: Path) -> Iterator[tuple[str, Row | str]]:
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("clips"), list):
        raise InvalidArgument(f"{path} should hold an object with a list 'clips'.")
    for clip in data["clips"]:
        for number, asked in enumerate(clip["questions"], 1):
            id_ = f"{Path(clip['video']).name}-{number}"
            yield f"{path.name}, {id_}", {**asked, "video": clip["video"], "id": id_}


def _groups(**named: object) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in named.items() if value not in (None, ""))


def _spans(spans: Any) -> tuple[Interval, ...]:
    found = []
    for span in spans:
        start, end = float(span[0]), float(span[1])
        if not (math.isfinite(start) and math.isfinite(end) and 0 <= start <= end):
            raise InvalidArgument(f"{list(span)!r} is no span of seconds")
        found.append((start, end))
    return tuple(found)


def _names(*folders: Path) -> dict[str, str]:
    """Return the path of each video by its number, as `map_vid_vidorID.json` tells it; empty without that file."""
    for folder in folders:
        if (path := folder / "map_vid_vidorID.json").is_file():
            return {str(name): str(value) for name, value in read_json(path).items()}
    return {}


def _video(number: object, names: dict[str, str]) -> str:
    return names.get(str(number), str(number))
