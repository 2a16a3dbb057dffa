from __future__ import annotations

import subprocess
import sys

import pytest


def test_the_room_is_light_until_used():
    code = "import sys, videochat.embed_model as e; assert 'torch' not in sys.modules; print(sorted(dir(e))[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "BridgeConfig"


def test_unknown_names_are_refused():
    import videochat.embed_model as room

    assert all(getattr(room, name) for name in room.__all__)
    name = "Blip3"
    with pytest.raises(AttributeError, match="no attribute 'Blip3'"):
        getattr(room, name)
