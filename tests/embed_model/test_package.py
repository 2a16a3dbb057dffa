"""The room from outside: light to import, and old names that still work and say what they are called now."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import videochat.embed_model as room
from tests.fakes.tiny_embed import CountingVideo, toy_model
from videochat import renamed
from videochat.embed_model.chat import Chat, ClipEncoder, ask_each
from videochat.embed_model.generation import GREEDY, SamplingSettings

SHORT = SamplingSettings(max_new_tokens=3, temperature=0)
OLD = [(module, name) for module in renamed.NAMES if "embed_model" in module for name in renamed.NAMES[module]]


def test_it_is_light_until_used():
    code = "import sys, videochat.embed_model as e; assert 'torch' not in sys.modules; print(sorted(dir(e))[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "BridgeConfig"


def test_unknown_names_are_refused():
    assert all(getattr(room, name) for name in room.__all__)
    name = "Blip3"
    with pytest.raises(AttributeError, match="no attribute 'Blip3'"):
        getattr(room, name)


def test_convert_is_the_function_whatever_was_imported_before():
    importlib.import_module("videochat.embed_model.conversion")
    assert callable(room.convert)


@pytest.mark.parametrize(("module", "name"), OLD)
def test_old_names_warn_and_work(module, name):
    home, _, now = renamed.NAMES[module][name].partition(":")
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now {home}.{now}"):
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(home), now)


@pytest.mark.parametrize("module", ["videochat.embed_model.data", "videochat.embed_model.toy"])
def test_moved_modules_say_where_to(module):
    with pytest.raises(ModuleNotFoundError, match=f"{module} is now {renamed.MODULES[module]}"):
        importlib.import_module(module)


def test_old_methods_and_keywords_warn_and_work():
    encoder = ClipEncoder(toy_model(), frames=1)
    with pytest.warns(DeprecationWarning, match="ClipEncoder.look is now ClipEncoder.encode"):
        clip = encoder.look(CountingVideo(), 0, 5)  # type: ignore[attr-defined]  # the old name is what is tested
    with pytest.warns(DeprecationWarning, match="ClipEncoder.encode_all"):
        assert encoder.look_at_all([(CountingVideo(), 0, 5)]) == [clip]  # type: ignore[attr-defined]  # the old name is what is tested
    chat = Chat(encoder.model, clip)
    with pytest.warns(DeprecationWarning, match="Chat.sight is now Chat.clip"):
        assert chat.sight is clip  # type: ignore[attr-defined]  # the old name is what is tested
    with pytest.warns(DeprecationWarning, match="keyword 'wording' of Chat.ask"):
        answer = chat.ask("What?", wording=SHORT)  # type: ignore[call-arg]  # the old name is what is tested
    with pytest.warns(DeprecationWarning, match="keyword 'wording' of ask_each"):
        assert ask_each(encoder.model, [clip], "What?", wording=SHORT) == [answer]  # type: ignore[call-arg]  # the old name is what is tested
    with pytest.raises(TypeError, match="got 'sampling' twice"):
        chat.ask("What?", sampling=SHORT, wording=GREEDY)  # type: ignore[call-arg]  # the old name is what is tested
