"""The page in a real browser: ask, play what is cited, seek, search, add a file, light and dark."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clips import SCENES, SUBTITLES
from tests.fakes.video_server import browser, serving
from videochat.agent import VideoAgent
from videochat.answer_html import answer_page
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.serve.safety import COOKIE
from videochat.testing import Scene, draw_video

pytestmark = pytest.mark.enable_socket

_SECONDS = "document.querySelector('#player').currentTime"
_PATIENCE = 60_000
_TOKEN = "kettle"


@pytest.fixture(scope="module")
def address(tea: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    other = draw_video(folder / "harbour.mp4", SCENES, frame_rate=5, subtitles=SUBTITLES)
    with serving(str(tea), str(other), "--memory", str(folder / "memory"), home=folder / "home", token=_TOKEN) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture
def open_page(chromium: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open the page; what its console says, and errors of its scripts, fail the test."""
    wrong: list[str] = []
    contexts = []

    def said(text: str, token: str | None) -> None:
        if token or "401" not in text:
            wrong.append(text)

    def opened(path: str = "/", *, token: str | None = _TOKEN, **settings: Any) -> Any:
        context = chromium.new_context(viewport={"width": 1440, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: said(message.text, token) if message.type == "error" else None)
        if token:
            known = {"name": COOKIE, "value": token, "url": address}
            context.add_cookies([known])
        page.goto(address + path)
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def until(page: Any, expression: str) -> None:
    """Wait until an expression of the page holds; playwright's own way evaluates texts, which the policy forbids."""
    end = time.monotonic() + _PATIENCE / 1000
    while not page.evaluate(expression):
        if time.monotonic() > end:
            pytest.fail(f"never: {expression}; the page says {page.inner_text('#stage')[:300]!r}")
        page.wait_for_timeout(50)


def seconds(page: Any) -> float:
    return float(page.evaluate(_SECONDS))


def test_ask_and_play_what_is_cited(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(
        """() => { window.grown = []; const turns = document.querySelector('#turns');
        new MutationObserver(() => { const reply = turns.querySelector('.reply');
          if (reply && !reply.classList.contains('done') && reply.textContent) window.grown.push(reply.textContent); })
          .observe(turns, {childList: true, subtree: true, characterData: true}); }"""
    )
    page.fill("#question", "When is the milk poured?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".reply.done")
    assert any("milk" in text for text in page.evaluate("window.grown")), "words appear before the answer is whole"
    assert "Grounded" in page.inner_text(".vc-status")
    cited = page.locator(".vc-text .vc-cite").first
    start, end = float(cited.get_attribute("data-start")), float(cited.get_attribute("data-end"))
    assert (start, end) == (14.5, 17.5)
    page.evaluate(
        "document.querySelector('#player').addEventListener("
        "'seeked', (event) => { window.sought ??= event.target.currentTime; })"
    )
    cited.click()
    until(page, "window.sought !== undefined")
    assert page.evaluate("window.sought") == pytest.approx(start, abs=0.1)
    until(page, "document.querySelector('#player').paused && document.querySelector('#player').currentTime > 17")
    assert seconds(page) == pytest.approx(end, abs=0.5), "it plays its range and stops"


def test_stop_ends_an_answer_and_the_next_question_is_answered(open_page: Callable[..., Any]) -> None:
    page = open_page()
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 5000, "downloadThroughput": -1, "uploadThroughput": -1}
    line.send("Network.emulateNetworkConditions", slow)
    page.fill("#question", "When is the water boiled?")
    page.click("#send")
    page.wait_for_selector(".reply.thinking")
    assert page.inner_text("#send .sr") == "Stop"
    page.click("#send")
    until(page, "document.querySelector('.reply').textContent === 'Stopped.'")
    assert page.inner_text("#send .sr") == "Ask"
    line.send("Network.emulateNetworkConditions", slow | {"latency": 0})
    page.fill("#question", "When is the milk poured?")
    page.click("#send")
    page.wait_for_selector(".reply.done .vc-cite")
    assert page.locator(".reply.thinking").count() == 0
    assert page.locator(".about").all_inner_texts() == [page.inner_text("#title")], "said once, not at each question"
    page.click(".card:not([aria-current=true])")
    page.fill("#question", "What is said?")
    page.click("#send")
    until(page, "document.querySelectorAll('.about').length === 2")
    assert page.locator(".about").last.inner_text() == page.inner_text("#title")


def test_the_page_asks_for_its_token(open_page: Callable[..., Any], address: str) -> None:
    page = open_page("/?t=8.5", token=None)
    page.wait_for_selector("#token[open]")
    assert page.locator("#videos li").count() == 0, "nothing is told without it"
    page.fill("#token-words", "teapot")
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused:not([hidden])")
    page.fill("#token-words", _TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    assert _TOKEN not in page.url
    until(page, f"Math.abs({_SECONDS} - 8.5) < 0.1")


def test_the_timeline_and_the_keys_seek(open_page: Callable[..., Any]) -> None:
    page = open_page()
    track = page.locator(".lane[data-kind=speech] .track")
    box = track.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    assert seconds(page) == pytest.approx(20.0 * 0.25, abs=0.1)
    head = page.locator("#playhead").bounding_box()
    assert head["x"] + head["width"] / 2 == pytest.approx(box["x"] + box["width"] * 0.25, abs=3)
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    page.wait_for_selector("#peek img[src$='?at=16.0']")
    until(page, "document.querySelector('#peek img').naturalWidth > 0")
    assert page.inner_text("#peek") == "00:16 Now the milk is poured, slowly and last."
    page.keyboard.press("ArrowRight")
    assert seconds(page) == pytest.approx(10.0, abs=0.1)
    page.wait_for_selector("#captions button.now")
    page.keyboard.press("Space")
    until(page, "!document.querySelector('#player').paused")
    page.keyboard.press("Space")
    until(page, "document.querySelector('#player').paused")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search-words"


def test_search_opens_another_video_at_the_moment(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert page.inner_text("#title") == "tea.mp4"
    page.keyboard.press("/")
    page.keyboard.type("boil the water")
    # What was found for the first letters is replaced.
    until(page, "document.querySelector('#stage').innerText.includes('for “boil the water”')")
    for _ in range(page.locator(".hit").count()):
        page.keyboard.press("ArrowDown")
        if "First, boil the water." in page.evaluate("document.activeElement.innerText"):
            break
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#title').textContent === 'harbour.mp4'")
    until(page, f"Math.abs({_SECONDS} - 6.5) < 2.5 && {_SECONDS} >= 6.4")


def test_a_file_is_sent_and_watched_with_live_progress(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page()
    scenes = [Scene(12, "FRESH BREAD", "navy"), Scene(12, "", "white")]
    film = draw_video(
        tmp_path / "sent.mp4", scenes, frame_rate=5, subtitles=[(3, 9, "Bread is baked."), (20, 22, "Done.")]
    )
    page.evaluate(
        """() => { window.states = new Set(); new MutationObserver(() => document.querySelectorAll('.card')
        .forEach((card) => window.states.add(card.dataset.state + ' ' + (card.querySelector('progress').value > 0))))
        .observe(document.querySelector('#videos'), {childList: true, subtree: true, attributes: true}); }"""
    )
    page.set_input_files("#file", str(film))
    until(page, "document.querySelector('#title').textContent === 'sent.mp4'")
    page.wait_for_selector("#captions button >> text=Bread is baked.")
    until(page, "[...document.querySelectorAll('.card')].every((card) => card.dataset.state === 'watched')")
    assert "watching true" in page.evaluate("[...window.states]")
    page.evaluate("document.querySelector('#player').textTracks[0].mode = 'hidden'")
    until(page, "document.querySelector('#player').textTracks[0].cues?.length === 2")


def test_what_chromium_cannot_play_is_encoded_and_sought_exactly(open_page: Callable[..., Any], tmp_path: Path) -> None:
    plain = draw_video(tmp_path / "plain.mp4", [Scene(3, "", "red"), Scene(3, "", "blue")], frame_rate=10)
    old = tmp_path / "old.mkv"
    subprocess.run([ffmpeg_exe(), "-v", "error", "-i", str(plain), "-c:v", "mpeg4", str(old)], check=True)
    page = open_page()
    page.set_input_files("#file", str(old))
    until(page, "document.querySelector('#title').textContent === 'old.mkv'")
    assert "MPEG4" in page.inner_text("#player-note")
    until(page, "document.querySelector('#player').readyState >= 2")
    assert page.evaluate("document.querySelector('#player').duration") == pytest.approx(6, abs=0.2)
    colour = """() => { const v = document.querySelector('#player'), c = document.createElement('canvas');
      c.width = c.height = 2; const d = c.getContext('2d'); d.drawImage(v, 0, 0, 2, 2);
      const [r, , b] = d.getImageData(0, 0, 1, 1).data; return r > b ? 'red' : 'blue'; }"""
    for second, shown in ((4.5, "blue"), (1.5, "red")):
        page.evaluate(f"document.querySelector('#player').currentTime = {second}")
        until(page, "document.querySelector('#player').readyState >= 2 && !document.querySelector('#player').seeking")
        assert page.evaluate(colour) == shown
        assert seconds(page) == pytest.approx(second, abs=0.1)


def test_a_link_opens_its_second_in_the_dark_on_a_narrow_screen(open_page: Callable[..., Any], address: str) -> None:
    page = open_page()
    id_ = page.get_attribute(".card", "data-id")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page = open_page(f"/?video={id_}&t=8.5,10", color_scheme="dark")
    assert seconds(page) == pytest.approx(8.5, abs=0.1)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#library-toggle")
    until(page, "document.querySelector('#library').getBoundingClientRect().left === 0")
    page.mouse.click(380, 400)
    until(page, "!document.querySelector('#library').classList.contains('open')")
    named = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, video')].filter((e) => !(e.textContent.trim() || "
        "e.getAttribute('aria-label') || e.labels?.length || e.title)).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert named == [], "every control has a name that can be read out"


def test_an_answer_in_a_notebook_and_in_a_file_plays_what_it_cites(
    chromium: Any, tea: Path, tea_memory: CaptionStore, tmp_path: Path
) -> None:
    answer = VideoAgent(tea, memory=tea_memory, llm="extractive", preset="builtin").ask("When is the milk poured?")
    page = chromium.new_page()
    page.set_default_timeout(_PATIENCE)
    page.set_content(f"<body>{answer._repr_html_()}</body>")
    page.locator(".vc-text .vc-cite").first.click()
    until(page, "document.querySelector('video[data-index=\"0\"]').currentTime > 0.2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(3.0, abs=0.3)
    file = tmp_path / "answer.html"
    file.write_text(answer_page("When?", answer.as_dict(), videos={Video(tea).id: ("tea.mp4", tea.as_uri())}))
    page.goto(file.as_uri())
    until(page, "document.querySelector('#player').readyState >= 1")
    page.evaluate("document.querySelector('#player').currentTime = 0")
    page.locator(".vc-text .vc-cite").first.click()
    until(page, "document.querySelector('#player').currentTime >= 14.5")
    assert seconds(page) == pytest.approx(15.0, abs=1.0)
    page.close()
