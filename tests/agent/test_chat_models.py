from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from videochat.agent.chat_models import (
    USUAL_TOKENS,
    can_call_tools,
    can_see,
    llm_name,
    refuses_tools,
    resolve_llm,
    window_of,
)
from videochat.agent.extractive import EXTRACTIVE, ExtractiveAnswerer
from videochat.errors import LLMError, UnknownName
from videochat.testing import ScriptedLLM


def test_nothing_configured_means_the_extractive_answerer() -> None:
    assert isinstance(resolve_llm(None), ExtractiveAnswerer)
    assert llm_name(resolve_llm(EXTRACTIVE)) == EXTRACTIVE


def test_the_environment_names_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert "gpt" in llm_name(resolve_llm(None))
    monkeypatch.setenv("VIDEOCHAT_LLM", EXTRACTIVE)
    assert isinstance(resolve_llm(None), ExtractiveAnswerer)


def test_a_server_of_ones_own_is_spoken_to_in_chat_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    model: Any = resolve_llm("openai:my-codex")
    assert model.use_responses_api is False
    assert model.openai_api_base == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("nonsense", UnknownName, "openai:MODEL"),
        ("nobody:model", UnknownName, "extractive"),
        ("openai:gpt-4.1-mini", LLMError, "api_key"),
        ("anthropic:claude", LLMError, "not installed"),
    ],
)
def test_a_model_that_cannot_be_made_is_one_sentence(given: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        resolve_llm(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [42, object(), {"model": "gpt"}])
def test_what_is_no_chat_model_is_one_sentence(given: Any) -> None:
    with pytest.raises(LLMError, match=f"got {type(given).__name__}"):
        resolve_llm(given)


def test_tool_calling_is_known_before_it_is_tried() -> None:
    assert can_call_tools(ScriptedLLM("a"))
    assert not can_call_tools(ExtractiveAnswerer())
    assert not can_call_tools(FakeListChatModel(responses=["a"]))


def test_what_a_profile_says_of_a_model_is_believed() -> None:
    sees = ScriptedLLM("a", profile={"image_inputs": True, "max_input_tokens": 1000, "tool_calling": False})
    assert (can_see(sees), window_of(sees), can_call_tools(sees)) == (True, 1000, False)
    assert window_of(sees, 500) == 500
    plain = ScriptedLLM("a")
    assert (can_see(plain), window_of(plain)) == (False, USUAL_TOKENS)


@pytest.mark.parametrize(
    ("error", "refuses"),
    [
        (ValueError("400: model:1b does not support tools"), True),
        (NotImplementedError(), True),
        (ValueError("Unrecognized request argument supplied: tools"), True),
        (ValueError("image input is not supported"), False),
        (ValueError("rate limit"), False),
    ],
)
def test_a_refusal_of_tools_is_known(error: Exception, refuses: bool) -> None:
    assert refuses_tools(error) == refuses


def test_a_model_with_settings_bound_to_it_is_one_too() -> None:
    bound = ScriptedLLM("a").with_retry()
    assert resolve_llm(bound) is bound
