"""Fakes for tests of apps that use videochat: a scripted chat model, word embeddings, drawn videos.

No network, no weights, always the same. The videos are real files, made in a second.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from PIL import Image, ImageColor, ImageDraw, ImageFont
from pydantic import Field, PrivateAttr

from videochat.audio import SAMPLE_RATE
from videochat.ffmpeg import ffmpeg_exe
from videochat.text_embeddings import WordEmbeddings

__all__ = ["Scene", "ScriptedLLM", "WordEmbeddings", "call", "draw_video", "read_frame_number"]

Reply = str | AIMessage | Exception | Callable[[list[BaseMessage]], "str | AIMessage"]


class ScriptedLLM(BaseChatModel):
    """A chat model that replays a script, one reply a call, and can call tools.

    Args:
        script: what to answer: text, an `AIMessage` (see `call`), an exception to raise, or a function of the
            messages it was sent.

    Raises:
        AssertionError: it is called more often than the script has replies.
    """

    script: list[Any]
    sent: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of every call."""
    bound: list[dict[str, Any]] = Field(default_factory=list)
    """The tools it was given last, in OpenAI's form."""
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def __init__(self, *script: Reply, **kwargs: Any) -> None:
        super().__init__(**({"script": list(script)} | kwargs))

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Take tools and remember their schemas."""
        self.bound[:] = [convert_to_openai_tool(tool) for tool in tools]
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.reply_to(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self.reply_to(messages)
        calls = [
            ToolCallChunk(
                name=call["name"],
                args=call["args"] if isinstance(call["args"], str) else json.dumps(call["args"]),
                id=call["id"],
                index=index,
            )
            for index, call in enumerate([*reply.tool_calls, *reply.invalid_tool_calls])
        ]
        # Word by word, as models do; what is no text comes with the last piece.
        *words, last = re.findall(r"\S+\s*|\s+", reply.text) or [""]
        for word in words:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk
        ending = AIMessageChunk(content=last, tool_call_chunks=calls, usage_metadata=reply.usage_metadata)
        chunk = ChatGenerationChunk(message=ending)
        if run_manager:
            run_manager.on_llm_new_token(last, chunk=chunk)
        yield chunk

    def reply_to(self, messages: list[BaseMessage]) -> AIMessage:
        """Return the next reply of the script; subclasses may answer as the messages ask."""
        with self._lock:
            self.sent.append(list(messages))
            number = len(self.sent)
        if number > len(self.script):
            raise AssertionError(f"the script has {len(self.script)} replies, this is call {number}")
        reply = self.script[number - 1]
        if callable(reply):
            reply = reply(messages)
        if isinstance(reply, Exception):
            raise reply
        # A message that is sent twice needs two ids, or the second replaces the first in an agent's state.
        message: AIMessage = AIMessage(reply) if isinstance(reply, str) else reply.model_copy(update={"id": None})
        return message


def call(tool: str, /, **arguments: Any) -> AIMessage:
    """Return a reply that calls one tool: `call("search", query="dog")`."""
    return AIMessage("", tool_calls=[{"name": tool, "args": arguments, "id": f"call_{tool}"}])


@dataclass(frozen=True)
class Scene:
    """A stretch of a drawn video."""

    seconds: float
    """How long it lasts."""
    text: str = ""
    """Words on the screen; a line break begins a new line."""
    colour: str = "white"
    """Background, by any name that Pillow knows."""
    moving: bool = False
    """Whether a dark disc travels from left to right."""


def draw_video(
    path: str | os.PathLike[str],
    scenes: Sequence[Scene],
    *,
    frame_rate: float | Fraction = 10,
    frame_seconds: Callable[[int], Fraction | float] | None = None,
    size: tuple[int, int] = (320, 180),
    speech: Sequence[tuple[float, float]] = (),
    subtitles: Sequence[tuple[float, float, str]] = (),
    start_seconds: float = 0.0,
    sound_delay_seconds: float = 0.0,
    rotate: int = 0,
    numbered: bool = False,
) -> Path:
    """Draw a small real video with known contents at known seconds.

    Args:
        path: where to write; the ending names the container (.mp4, .mkv, .webm is not offered).
        scenes: what is seen, one after another.
        frame_rate: pictures per second.
        frame_seconds: instead of the rate, the second of the picture with a given number (variable rate).
        size: (width, height) of the upright picture in pixels, even numbers.
        speech: (start, end) of voice-like sound; there is a sound track if this is not empty.
        subtitles: (start, end, words), as a text track inside the file.
        start_seconds: timestamp of the first picture in the file.
        sound_delay_seconds: by how much the sound track begins later than the pictures.
        rotate: degrees clockwise by which players must turn the picture (0, 90, 180, 270).
        numbered: write each picture's number into it, for `read_frame_number`.

    Returns:
        The path.
    """
    target = Path(path)
    rate = Fraction(frame_rate).limit_denominator(1001)
    at = frame_seconds or (lambda number: number / rate)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / f"plain{target.suffix}"
        _encode(plain, scenes, rate, at, size, speech, start_seconds, sound_delay_seconds, rotate, numbered)
        if not subtitles and not rotate:
            target.write_bytes(plain.read_bytes())
            return target
        source = ffmpeg.input(str(plain), **({"display_rotation": -rotate} if rotate else {}))
        inputs, codecs = [source], {"c": "copy"}
        if subtitles:
            words = Path(folder) / "words.srt"
            words.write_text(
                "".join(
                    f"{i}\n{_srt(start + start_seconds)} --> {_srt(end + start_seconds)}\n{text}\n\n"
                    for i, (start, end, text) in enumerate(subtitles, 1)
                )
            )
            inputs.append(ffmpeg.input(str(words)))
            codecs["c:s"] = "mov_text" if target.suffix == ".mp4" else "srt"
            codecs["metadata:s:s:0"] = "language=eng"
        job = ffmpeg.output(*inputs, str(target), copyts=None, **codecs).overwrite_output()
        job.run(cmd=[ffmpeg_exe(), "-v", "error"], quiet=False)
    return target


def _encode(
    path: Path,
    scenes: Sequence[Scene],
    rate: Fraction,
    at: Callable[[int], Fraction | float],
    size: tuple[int, int],
    speech: Sequence[tuple[float, float]],
    start_seconds: float,
    sound_delay_seconds: float,
    rotate: int,
    numbered: bool,
) -> None:
    ticks = 90_000
    length = sum(scene.seconds for scene in scenes)
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=rate)
        pictures.width, pictures.height = size if rotate % 180 == 0 else size[::-1]
        pictures.pix_fmt = "yuv420p"
        pictures.time_base = Fraction(1, ticks)
        pictures.codec_context.time_base = Fraction(1, ticks)
        pictures.options = {"preset": "ultrafast", "crf": "20", "g": "50"}
        sound: Any = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if speech else None
        make_frame: Any = av.VideoFrame.from_image  # it has no types
        for number, image in enumerate(_pictures(scenes, at, size, numbered)):
            frame = make_frame(image.rotate(rotate, expand=True) if rotate else image)
            frame.pts = round((float(at(number)) + start_seconds) * ticks)
            frame.time_base = Fraction(1, ticks)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        if sound is not None:
            for second, samples in enumerate(seconds_of_voice(speech, length)):
                frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
                frame.sample_rate = SAMPLE_RATE
                delay = start_seconds + sound_delay_seconds
                frame.pts = second * SAMPLE_RATE + round(delay * SAMPLE_RATE)
                frame.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(sound.encode(frame))
            container.mux(sound.encode())


def _pictures(
    scenes: Sequence[Scene], at: Callable[[int], Fraction | float], size: tuple[int, int], numbered: bool
) -> Iterator[Image.Image]:
    width, height = size
    drawn: dict[Scene, Image.Image] = {}
    length = sum(scene.seconds for scene in scenes)
    number = 0
    while (seconds := float(at(number))) < length - 1e-6:
        start, index = 0.0, 0
        while seconds >= start + scenes[index].seconds - 1e-9:
            start += scenes[index].seconds
            index += 1
        scene = scenes[index]
        if scene not in drawn:
            drawn = {scene: _draw(scene, size)}
        image = drawn[scene].copy()
        if scene.moving:
            radius = height // 10
            x = radius + (width - 2 * radius) * (seconds - start) / scene.seconds
            y = height * 3 // 4
            ImageDraw.Draw(image).ellipse([x - radius, y - radius, x + radius, y + radius], fill="black")
        if numbered:
            _write_number(image, number)
        yield image
        number += 1


def _draw(scene: Scene, size: tuple[int, int]) -> Image.Image:
    width, height = size
    image = Image.new("RGB", size, scene.colour)
    if scene.text:
        lightness = sum(ImageColor.getrgb(scene.colour)[:3]) / 3
        lines = max(scene.text.count("\n") + 1, 4)
        font = ImageFont.load_default(size=height * 0.5 / lines)
        ImageDraw.Draw(image).multiline_text(
            (width / 2, height * 0.4),
            scene.text,
            fill="black" if lightness > 110 else "white",
            font=font,
            anchor="mm",
            align="center",
        )
    return image


_BITS = 20


def _write_number(image: Image.Image, number: int) -> None:
    """Write a number as black and white fields along the lower edge, which survive any codec."""
    draw = ImageDraw.Draw(image)
    step = image.width / _BITS
    top = image.height * 7 // 8
    for bit in range(_BITS):
        box = [bit * step, top, (bit + 1) * step - 1, image.height]
        draw.rectangle(box, fill="white" if number >> bit & 1 else "black")


def read_frame_number(image: np.ndarray) -> int:
    """Return the number that `draw_video(..., numbered=True)` wrote into a picture.

    Args:
        image: uint8 RGB array, shape (height, width, 3), upright, of any size.
    """
    height, width, _ = image.shape
    step = width / _BITS
    row = image[height * 15 // 16].mean(axis=1)  # (width,)
    return sum(1 << bit for bit in range(_BITS) if row[int((bit + 0.5) * step)] > 127)


def seconds_of_voice(speech: Sequence[tuple[float, float]], length_seconds: float) -> Iterator[np.ndarray]:
    """Yield, second by second, voice at the given seconds and silence elsewhere: float32, shape (n,)."""
    total = round(length_seconds * SAMPLE_RATE)
    stretches = [(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for start, end in speech]
    for first in range(0, total, SAMPLE_RATE):
        last = min(first + SAMPLE_RATE, total)
        samples = np.zeros(last - first, np.float32)
        for start, end in stretches:
            begin, finish = max(start, first), min(end, last)
            if begin < finish:
                samples[begin - first : finish - first] = voice(end - start)[begin - start : finish - start]
        yield samples


@lru_cache(maxsize=8)
def voice(count: int) -> np.ndarray:
    """Return `count` samples of voice-like sound, float32 in [-0.5, 0.5], `SAMPLE_RATE` per second.

    A buzzing source through moving vowel resonances, in syllables: a voice activity detector takes it for
    speech.
    """
    t = np.arange(count) / SAMPLE_RATE
    vowels = np.array([[730, 1090, 2440], [270, 2290, 3010], [570, 840, 2410], [530, 1840, 2480], [300, 870, 2240]])
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * t) + 8 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    syllable = (t * 4).astype(int)
    formants = vowels[(syllable * 7 + syllable // 3) % len(vowels)].astype(float)  # (n, 3)
    glide = np.ones(SAMPLE_RATE // 20) / (SAMPLE_RATE // 20)
    formants = np.stack([np.convolve(formants[:, i], glide, "same")[:count] for i in range(3)], axis=1)
    wave = np.zeros(count)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        gain = sum(
            weight / (1 + ((frequency - formants[:, i]) / width) ** 2)
            for i, (weight, width) in enumerate(((1.0, 80), (0.6, 100), (0.3, 140)))
        )
        wave += gain * np.sin(harmonic * phase) / harmonic**0.5
    wave *= np.clip(np.sin(np.pi * (t * 4 % 1)) * 1.6, 0, 1)
    return (0.5 * wave / max(float(np.abs(wave).max()), 1e-9)).astype(np.float32)


def _srt(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
