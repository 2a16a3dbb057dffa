"""Report: the tables of one or several runs with where they come from, as Markdown, HTML and a plot."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from videochat.errors import InvalidArgument, first_line
from videochat.evaluation.forecast import Price
from videochat.evaluation.run import Evaluated
from videochat.evaluation.scoring import Score, score_all
from videochat.evaluation.summary import Table, accuracy, tables
from videochat.printable import printable

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2.5rem auto; padding: 0 1.5rem; max-width: 74rem;
  background: light-dark(#fbfaf8, #16171a); color: light-dark(#22211f, #e8e6e3); }
h1 { font-size: 1.5rem; font-weight: 600; } h2 { font-size: 1.2rem; margin-top: 3rem; font-weight: 600; }
h3 { font-size: .95rem; margin: 2rem 0 .3rem; font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
td, th { padding: .3rem 1.2rem .3rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid light-dark(#e0dbd3, #34363c); font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; } th { font-weight: 600; }
p.note, ul { font-size: .82rem; opacity: .75; max-width: 60rem; margin: .4rem 0; }
dl { font-size: .82rem; display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { opacity: .65; } dd { margin: 0; overflow-wrap: anywhere; }
img { max-width: 100%; border-radius: .5rem; margin-top: 1rem; background: #fff; }
"""
_MOST_LISTED = 20


@dataclass(frozen=True)
class Section:
    """One benchmark of a report."""

    title: str
    tables: Sequence[Table]
    remarks: Sequence[str]
    """What was not asked, and why."""
    origin: Mapping[str, str]
    """Where the figures come from: commits, machines, models."""
    plot: bytes | None = None
    """PNG of accuracy over cost."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "benchmark": self.title,
            "tables": [table.as_dict() for table in self.tables],
            "remarks": list(self.remarks),
            "origin": dict(self.origin),
        }


def section(evaluated: Evaluated, price: Price | None = None) -> Section:
    """Return what is reported of a run.

    Args:
        evaluated: the run.
        price: of a million tokens read, and written; None for not known.
    """
    scores = score_all(evaluated.items, evaluated.results.predictions)
    given = [*evaluated.order, *(who for who in scores if who not in evaluated.order)]
    ordered = {who: scores[who] for who in given if who in scores}
    return Section(
        evaluated.benchmark.title,
        tables(evaluated.benchmark, ordered, price),
        _remarks(evaluated, ordered),
        _origin(evaluated.results.runs),
        plot(ordered) if ordered else None,
    )


def _remarks(evaluated: Evaluated, scores: Mapping[str, Sequence[Score]]) -> list[str]:
    found = []
    if evaluated.missing:
        asked = sum(item.video in evaluated.missing for item in evaluated.items)
        found.append(f"{len(evaluated.missing)} videos with {asked} questions were left out:")
        found += [f"{name}: {reason}" for name, reason in list(evaluated.missing.items())[:_MOST_LISTED]]
        if (more := len(evaluated.missing) - _MOST_LISTED) > 0:
            found.append(f"and {more} more videos")
    if evaluated.problems:
        found.append(f"{len(evaluated.problems)} entries of the annotations could not be read:")
        found += evaluated.problems[:_MOST_LISTED]
        if (more := len(evaluated.problems) - _MOST_LISTED) > 0:
            found.append(f"and {more} more entries")
    unscored = sum(not item.scored for item in evaluated.items)
    if unscored:
        found.append(f"{unscored} questions have no public answer and were asked, not scored")
    for who, group in scores.items():
        reasons = dict.fromkeys(s.prediction.problem for s in group if s.prediction.problem)
        if reasons:
            count = sum(bool(s.prediction.problem) for s in group)
            found.append(f"{who} failed {count} times; the next run asks again: {next(iter(reasons))}")
    if evaluated.results.broken:
        found.append(f"{evaluated.results.broken} lines of {evaluated.results.path.name} could not be read")
    return found


def _origin(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return each fact once, in the order of the runs."""
    facts: dict[str, dict[str, None]] = {}
    for run in runs:
        plain = {name: run.get(name) for name in ("date", "commit", "machine", "python", "questions", "subtitles")}
        plain |= {"option order": run["shuffled"]} if run.get("shuffled") is not None else {}
        plain |= {"packages": ", ".join(f"{name} {found}" for name, found in run.get("packages", {}).items())}
        plain |= {"models": ", ".join(f"{name}: {found}" for name, found in run.get("models", {}).items())}
        for name, value in plain.items():
            if value not in (None, ""):
                facts.setdefault(name, {})[str(value)] = None
    return {name: "; ".join(values) for name, values in facts.items()}


def plot(scores: Mapping[str, Sequence[Score]]) -> bytes:
    """Return a PNG: accuracy with its interval over seconds and, where they are reported, tokens of an answer.

    Args:
        scores: of each contender.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = []
    for who, found in scores.items():
        usages = [score.prediction.usage for score in found if not score.prediction.problem]
        if usages:
            tokens = [(u.input_tokens or 0) + (u.output_tokens or 0) for u in usages]
            points.append((who, accuracy(found), median(u.seconds for u in usages), fmean(tokens)))
    axes_of = [("seconds of an answer (median)", [point[2] for point in points])]
    if any(point[3] for point in points):
        axes_of.append(("tokens of an answer (mean)", [point[3] for point in points]))
    figure = Figure(figsize=(5.2 * len(axes_of) + 0.8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (label, costs) in enumerate(axes_of, 1):
        axes = figure.add_subplot(1, len(axes_of), number)
        for place, ((who, estimate, *_), cost) in enumerate(zip(points, costs, strict=True)):
            half = 100 * (estimate.half_width or 0)
            axes.errorbar(cost, 100 * estimate.mean, yerr=half, fmt="o", capsize=3, color=f"C{place % 10}", label=who)
        axes.set_xlabel(label)
        axes.set_ylabel("accuracy in percent")
        axes.set_ylim(0, 100)
        if min(costs, default=0) > 0 and max(costs) > 20 * min(costs):
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    if points:
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small"
        )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def markdown(sections: Sequence[Section], pictures: Sequence[str] = ()) -> str:
    """Return a report as Markdown.

    Args:
        sections: one for each benchmark.
        pictures: names of the files of their plots; empty for none.
    """
    lines = ["# Evaluation", ""]
    for number, each in enumerate(sections):
        lines += [f"## {each.title}", ""]
        for table in each.tables:
            lines += [f"### {table.title}", ""]
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in (table.head, _rule(table.head), *table.rows)]
            lines += ["", *([table.note, ""] if table.note else [])]
        if each.plot is not None and number < len(pictures):
            lines += [f"![Accuracy over cost]({pictures[number]})", ""]
        lines += [f"- {_cell(remark)}" for remark in each.remarks] + [""] * bool(each.remarks)
        lines += [f"- {name}: {_cell(value)}" for name, value in each.origin.items()] + [""]
    return "\n".join(lines)


def _rule(head: Sequence[str]) -> list[str]:
    return ["---", *["---:"] * (len(head) - 1)]


def _cell(text: str) -> str:
    return " ".join(printable(text).split()).replace("|", "\\|")


def page(sections: Sequence[Section]) -> str:
    """Return a report as one HTML page that needs nothing else."""
    body = []
    for each in sections:
        body.append(f"<section><h2>{_escape(each.title)}</h2>")
        if each.plot is not None:
            data = base64.b64encode(each.plot).decode()
            body.append(f'<img alt="Accuracy over cost" src="data:image/png;base64,{data}">')
        for table in each.tables:
            head = "".join(f"<th>{_escape(name)}</th>" for name in table.head)
            rows = "".join(f"<tr>{''.join(f'<td>{_escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
            note = f'<p class="note">{_escape(table.note)}</p>' if table.note else ""
            body.append(
                f'<h3>{_escape(table.title)}</h3><div class="scroll"><table><tr>{head}</tr>{rows}</table></div>{note}'
            )
        if each.remarks:
            body.append(f"<h3>Left out</h3><ul>{''.join(f'<li>{_escape(r)}</li>' for r in each.remarks)}</ul>")
        facts = "".join(f"<dt>{_escape(n)}</dt><dd>{_escape(v)}</dd>" for n, v in each.origin.items())
        body.append(f"<h3>Where it comes from</h3><dl>{facts}</dl></section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation</title>'
        f"<style>{_STYLE}</style></head><body><h1>Evaluation</h1>{''.join(body)}</body></html>\n"
    )


def _escape(text: str) -> str:
    return html.escape(printable(text))


def write(sections: Sequence[Section], stem: Path) -> list[Path]:
    """Write a report beside the results: `STEM.md`, `STEM.html`, and a plot for each benchmark.

    Raises:
        InvalidArgument: they cannot be written.
    """
    names = [f"{stem.name}.png" if not number else f"{stem.name}-{number + 1}.png" for number in range(len(sections))]
    written = [stem.with_name(f"{stem.name}.md"), stem.with_name(f"{stem.name}.html")]
    try:
        written[0].write_text(markdown(sections, names), encoding="utf-8")
        written[1].write_text(page(sections), encoding="utf-8")
        for name, each in zip(names, sections, strict=True):
            if each.plot is not None:
                written.append(stem.with_name(name))
                written[-1].write_bytes(each.plot)
    except OSError as error:
        raise InvalidArgument(f"The report {str(stem)!r} cannot be written: {first_line(error)}") from error
    return written
