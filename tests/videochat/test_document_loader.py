"""The loader gives captions as documents with the same metadata as the retriever."""

from pathlib import Path

import pytest

from videochat import VideoCaptionLoader
from videochat.agent import VideoAgent
from videochat.errors import UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore


def test_captions_are_documents_with_seconds(clip: Video) -> None:
    loader = VideoCaptionLoader(clip.path, preset=["subtitles", "shots"], kinds=["speech"])
    documents = loader.load()
    assert [document.page_content for document in documents] == ["Hello and welcome.", "First, boil the water."]
    assert [document.metadata["start_seconds"] for document in documents] == [1.0, 6.5]
    assert documents[0].id
    assert next(iter(loader.lazy_load())) == documents[0]


def test_the_metadata_are_those_of_the_retriever(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    (found,) = agent.as_retriever(k=1, kinds=["speech"]).invoke("When is the milk poured?")
    similarity = found.metadata.pop("similarity")
    assert -1 <= similarity <= 1.001
    (loaded,) = [
        document for document in VideoCaptionLoader(tea, memory=tea_memory.path).lazy_load() if document.id == found.id
    ]
    assert loaded == found
    assert loaded.metadata == {
        "source": str(tea),
        "video": "tea.mp4",
        "video_id": agent.video.id,
        "kind": "speech",
        "caption_source": "subtitles",
        "start_seconds": 14.5,
        "end_seconds": 17.5,
        "language": "eng",
    }


def test_a_kind_that_does_not_exist_is_one_sentence(tea: Path, tea_memory: CaptionStore) -> None:
    with pytest.raises(UnknownName, match="There is no kind 'smell'"):
        VideoCaptionLoader(tea, memory=tea_memory, kinds=["smell"]).load()  # type: ignore[list-item]  # the refusal is what is tested
