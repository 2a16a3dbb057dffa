"""What an MCP server offers beside its tools: prompts to begin with, and what is noted of each video as resources."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from videochat.errors import InvalidArgument, UnknownName, VideoChatError
from videochat.fence import fenced
from videochat.intervals import clock
from videochat.memory import textualize
from videochat.memory.chapters import make_chapters
from videochat.printable import printable

if TYPE_CHECKING:
    from videochat.agent.video_set import VideoSet

_RESOURCES = {"captions": "what is noted of the video, in temporal order", "chapters": "its parts, with their times"}
_PROMPTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "ask": (
        "Answer a question from the video, with times",
        "{question}\n\nAnswer from the video alone: search for the moments, confirm them with read or look, and give "
        "the time of everything that you say as [MM:SS]. If the tools find nothing, say so, and what was watched for.",
        {"question": "what to find out"},
    ),
    "summarize": (
        "Tell what happens in the video",
        "Browse the video, read what is unclear, and tell what happens in at most ten sentences, each with its time as "
        "[MM:SS]. Say nothing that the tools did not show.",
        {},
    ),
    "chapters": (
        "Name the parts of the video",
        "Browse and read the video, and write its chapters, one a line as `MM:SS Title`, the first at 00:00, none "
        "shorter than ten seconds. Titles say what is seen or said there.",
        {},
    ),
}


def context_handlers(video_set: VideoSet) -> dict[str, Any]:
    """Return the handlers of prompts and resources, as keywords of the MCP `Server`.

    Args:
        video_set: the videos; what has been noted of them so far is read.
    """
    import mcp_types as types

    async def list_prompts(context: Any, parameters: Any) -> types.ListPromptsResult:
        offered = [
            types.Prompt(
                name=name,
                description=text,
                arguments=[types.PromptArgument(name=a, description=d, required=True) for a, d in arguments.items()],
            )
            for name, (text, _, arguments) in _PROMPTS.items()
        ]
        return types.ListPromptsResult(prompts=offered)

    async def get_prompt(context: Any, parameters: Any) -> types.GetPromptResult:
        if parameters.name not in _PROMPTS:
            raise _refused(UnknownName("prompt", parameters.name, _PROMPTS))
        text, words, wanted = _PROMPTS[parameters.name]
        given = parameters.arguments or {}
        if missing := [name for name in wanted if not given.get(name, "").strip()]:
            raise _refused(InvalidArgument(f"The prompt {parameters.name!r} needs {', '.join(missing)}."))
        for name in wanted:
            words = words.replace(f"{{{name}}}", given[name])
        message = types.PromptMessage(role="user", content=types.TextContent(text=words))
        return types.GetPromptResult(description=text, messages=[message])

    async def list_resources(context: Any, parameters: Any) -> types.ListResourcesResult:
        offered = [
            types.Resource(
                name=printable(f"{what} of {name}"), uri=_address(what, name), description=text, mime_type="text/plain"
            )
            for name in video_set.names.values()
            for what, text in _RESOURCES.items()
        ]
        return types.ListResourcesResult(resources=offered)

    async def read_resource(context: Any, parameters: Any) -> types.ReadResourceResult:
        known = {_address(what, name): (what, id_) for id_, name in video_set.names.items() for what in _RESOURCES}
        if str(parameters.uri) not in known:
            raise _refused(UnknownName("resource", str(parameters.uri), known))
        text = await asyncio.to_thread(_noted, video_set, *known[str(parameters.uri)])
        contents = types.TextResourceContents(uri=parameters.uri, mime_type="text/plain", text=text)
        return types.ReadResourceResult(contents=[contents])

    return {
        "on_list_prompts": list_prompts,
        "on_get_prompt": get_prompt,
        "on_list_resources": list_resources,
        "on_read_resource": read_resource,
    }


def _refused(error: VideoChatError) -> Exception:
    """Return a mistake of the client as the protocol has it: any other exception is logged as one of the server."""
    import mcp_types as types
    from mcp import MCPError

    return MCPError(types.INVALID_PARAMS, str(error))


def _address(what: str, name: str) -> str:
    return f"videochat://{what}/{quote(name, safe='')}"


def _noted(video_set: VideoSet, what: str, video_id: str) -> str:
    """Return what has been noted of a video so far, between marks that say it is data."""
    video = video_set.video(video_id)
    captions = video_set.captions_of(video).between()
    if not captions:
        return "Nothing is noted yet; the first call of a tool watches the video."
    if what == "captions":
        return fenced(textualize(captions))
    parts = make_chapters(captions, video.duration_seconds)
    return fenced("\n".join(f"{clock(part.start_seconds)} {part.title}" for part in parts))
