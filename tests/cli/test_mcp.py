"""`videochat mcp`: what is refused before anything is served. Serving itself: tests/stories."""

import pytest

from videochat.cli import main


@pytest.mark.parametrize("address", ["soon", "localhost:", "0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "a.mp4", "--http", address]) == 1
    assert "--http needs PORT or HOST:PORT" in capsys.readouterr().err


def test_a_video_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "nothing.mp4"]) == 1
    assert "There is no file 'nothing.mp4'" in capsys.readouterr().err
