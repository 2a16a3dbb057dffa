import pytest

from tests.tiny_checkpoints import tiny

__all__ = ["tiny"]


@pytest.fixture(autouse=True)
def _iso(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VIDEOCHAT_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("VIDEOCHAT_EMBEDDINGS", "builtin")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("VIDEOCHAT_LLM", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
