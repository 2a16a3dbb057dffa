"""One renderer: citations are buttons that carry their range, everything is escaped."""

from __future__ import annotations

import html
import random
import re
from typing import Any

from videochat.answer_html import answer_html, answer_page, captions_html
from videochat.intervals import clock_range
from videochat.records import Answer, Caption, Citation, Verdict

A, B = "a" * 32, "b" * 32


def cited(start: float, end: float, text: str = "words", video: str = A) -> Citation:
    return Citation(Caption(video, start, end, "speech", text, "whisper"))


def starts(page: str) -> list[str]:
    return re.findall(r'class="vc-cite"[^>]*data-start="([\d.]+)"', page)


def test_each_citation_of_the_text_is_a_button_with_its_range() -> None:
    start = random.randint(0, 9000)
    first, second = cited(start, start + 3.5), cited(start + 60, start + 61)
    when = [clock_range(c.start_seconds, c.end_seconds) for c in (first, second)]
    text = f"He begins. [{when[0]}]\nThen he stops. [{when[1]}][00:00-00:01]"
    shown = answer_html(Answer(text, [first, second], "grounded").as_dict())
    assert starts(shown)[:2] == [f"{start}.000", f"{start + 60}.000"]
    assert "<br>" in shown
    assert "[00:00-00:01]" in shown, "what is no citation stays as it was written"
    assert f"[{when[0]}]" not in shown


def test_names_tell_several_videos_apart() -> None:
    answer = Answer("Twice. [b.mp4 00:01-00:02]", [cited(1, 2), cited(1, 2, video=B)], "grounded")
    shown = answer_html(answer.as_dict(), names={A: "a.mp4", B: "b.mp4"})
    assert re.search(r'<button[^>]*data-index="1"[^>]*>b\.mp4 00:01-00:02</button></p>', shown)


def test_nothing_that_was_said_becomes_markup() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&\u202e</script><script>"
    answer = Answer(
        f"{evil} [00:01-00:02]", [cited(1, 2, evil)], "partly", notes=[evil], verdicts=[Verdict(evil, "rejected", evil)]
    )
    data: dict[str, Any] = answer.as_dict() | {"option": evil}
    for shown in (
        answer_html(data, names={A: evil}, sources={A: evil}),
        answer_page(evil, data, videos={A: (evil, evil)}),
        captions_html([cited(1, 2, evil).as_dict()]),
    ):
        rest = re.sub(r"<script>\nconst player.*?</script>", "", shown, flags=re.DOTALL)
        assert "<img src=x" not in rest
        assert "<script" not in rest
        assert "\u202e" not in rest
        assert html.escape("<img src=x onerror=alert(1)>") in rest


def test_status_notes_and_verdicts_are_seen() -> None:
    answer = Answer("So. [00:01-00:02]", [cited(1, 2)], "partly", notes=["A stretch was not seen."])
    answer.verdicts.append(Verdict("So.", "rejected", "it says otherwise"))
    shown = answer_html(answer.as_dict())
    for part in ("Partly grounded", "A stretch was not seen.", 'data-is="rejected"', "it says otherwise"):
        assert part in shown


def test_a_clip_plays_where_it_stands_and_a_picture_is_shown() -> None:
    answer = Answer("So. [00:01-00:02]", [cited(1, 2), cited(5, 6)], "grounded")
    shown = answer_html(answer.as_dict(), pictures=[b"jpeg", b"jpeg"], clips=[b"mp4", None])
    assert shown.count("<video") == 1
    assert 'src="data:video/mp4;base64,bXA0"' in shown
    assert shown.count("<img") == 1
    assert "v.play()" in shown
    assert "onclick" not in answer_html(answer.as_dict(), pictures=[b"jpeg"]), "a page with a policy allows none"


def test_a_page_opens_at_the_first_citation_and_runs_only_its_own_script() -> None:
    answer = Answer("So. [00:07-00:09]", [cited(7.5, 9)], "grounded")
    page = answer_page("When?", answer.as_dict(), videos={A: ("a.mp4", "a%20film.mp4")})
    assert 'src="a%20film.mp4#t=7.5,9"' in page
    assert 'data-source="a%20film.mp4"' in page
    assert "default-src 'none'" in page
    assert "script-src 'sha256-" in page
    assert answer_page("?", Answer("Nothing.").as_dict(), videos={A: ("a.mp4", "a.mp4")}).count("#t=") == 0
