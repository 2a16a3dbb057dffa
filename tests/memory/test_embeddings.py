"""Text embeddings: where they come from, and what happens where they are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from videochat.errors import InvalidArgument, MissingDependency
from videochat.memory import CaptionStore, SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.embeddings import DEFAULT_MODEL, Embedder, resolve_embedder
from videochat.memory.store_files import StoreHeader, write_header


def test_word_embeddings_are_unit_vectors_that_know_shared_words() -> None:
    embed = WordEmbeddings()
    vectors = np.array(embed.embed_documents(["pour the milk", "pouring milk", "a red car", "", "?!"]))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert embed.embed_query("Pour THE milk") == embed.embed_query("pour the milk")


class TestWordEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings


class TestWordEmbeddingsAlone(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings


def resolved(wanted: Embeddings | str | None) -> tuple[Embedder, list[str]]:
    """Return an embedder and what was said on the way."""
    said: list[str] = []
    return resolve_embedder(wanted, say=said.append), said


def test_embeddings_given_as_objects_are_taken_under_a_name_that_tells_them_apart() -> None:
    assert resolved(WordEmbeddings())[0].name == "builtin"
    assert resolved(WordEmbeddings(64))[0].name == "builtin-64"
    other = resolved(DeterministicFakeEmbedding(size=8))[0]
    assert other.name.endswith("DeterministicFakeEmbedding")
    assert other.semantic
    assert not resolved("builtin")[0].semantic


def test_a_question_has_a_vector_of_unit_length() -> None:
    vector = Embedder("fake", DeterministicFakeEmbedding(size=8)).query("Where is the milk?")
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_a_text_that_comes_twice_is_embedded_once() -> None:
    asked: list[str] = []

    class Counting(WordEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            asked.extend(texts)
            return super().embed_documents(texts)

    vectors = Embedder("counting", Counting()).documents(["a car", "a dog", "a car"])
    assert asked == ["a car", "a dog"]
    assert vectors.shape == (3, 512)
    assert (vectors[0] == vectors[2]).all()
    assert (vectors[0] != vectors[1]).any()


def test_without_the_default_model_words_are_compared_and_the_sentence_names_both_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VIDEOCHAT_EMBEDDINGS")
    embedder, said = resolved(None)
    assert embedder.name == "builtin"
    assert len(said) == 1
    assert DEFAULT_MODEL in said[0]
    assert "`videochat download embeddings`" in said[0]
    assert f"`videochat memory rebuild --embeddings {DEFAULT_MODEL}`" in said[0]


def test_a_model_named_by_the_environment_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOCHAT_EMBEDDINGS", "nobody/nothing")
    with pytest.raises(MissingDependency, match="Search by meaning needs the model nobody/nothing"):
        resolved(None)
    assert resolved("builtin")[1] == []


def test_a_store_made_with_a_model_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with CaptionStore(tmp_path, embeddings="builtin"):
        pass
    write_header(tmp_path, StoreHeader(2, DEFAULT_MODEL, DEFAULT_MODEL))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("VIDEOCHAT_EMBEDDINGS")
        with pytest.raises(MissingDependency) as caught:
            CaptionStore(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"The store {str(tmp_path)!r} needs the model {DEFAULT_MODEL} (Apache-2.0, about 92 MB)")
    assert "\n" not in said


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="no weights are in it"):
        resolved(str(tmp_path))
    with pytest.raises(MissingDependency, match="there is no such folder or file"):
        resolved(str(tmp_path / "nowhere"))


def test_one_model_under_two_paths_is_one_embedder(tmp_path: Path) -> None:
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    (tmp_path / "link").symlink_to(folder)
    assert resolved(str(folder))[0].name == resolved(str(tmp_path / "link"))[0].name == "sentence-transformers/mini"


def test_a_damaged_model_is_a_sentence_at_first_use(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"noise")
    (tmp_path / "config.json").write_text("{")
    embeddings = SentenceTransformerEmbeddings(str(tmp_path), "mini")
    with pytest.raises(MissingDependency, match="The text embedding model 'mini' cannot be loaded"):
        embeddings.embed_query("milk")


@pytest.mark.parametrize("dimensions", [0, -1])
def test_a_vector_has_at_least_one_dimension(dimensions: int) -> None:
    with pytest.raises(InvalidArgument, match=f"at least 1 dimension, got {dimensions}"):
        WordEmbeddings(dimensions)


def test_a_provider_that_langchain_has_not_is_a_sentence() -> None:
    with pytest.raises(MissingDependency, match="The embeddings 'nobody:model' cannot be made"):
        resolved("nobody:model")


def test_embeddings_of_a_provider_are_taken_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    embedder, said = resolved("openai:text-embedding-3-small")
    assert (embedder.name, type(embedder.embeddings).__name__, said) == (
        "openai:text-embedding-3-small",
        "OpenAIEmbeddings",
        [],
    )
