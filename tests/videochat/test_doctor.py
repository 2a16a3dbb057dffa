"""What this machine can do, and what to do about what it cannot."""

import pytest

from videochat.doctor import examine


def test_every_part_is_looked_at_and_what_lacks_has_a_fix() -> None:
    findings = {finding.part: finding for finding in examine()}
    assert {"ffmpeg", "probing and seeking", "memory", "text embeddings", "language model", "GPU"} <= set(findings)
    assert all(finding.ok for finding in findings.values() if finding.needed)
    assert "videochat download PRESET" in findings["presets"].fix


def test_a_model_that_is_not_here_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOCHAT_EMBEDDINGS")
    (found,) = [finding for finding in examine() if finding.part == "text embeddings"]
    assert not found.ok
    assert "videochat download embeddings" in found.fix


def test_a_named_language_model_is_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOCHAT_LLM", "ollama:qwen3")
    (found,) = [finding for finding in examine() if finding.part == "language model"]
    assert (found.ok, found.found) == (True, "ollama:qwen3")
