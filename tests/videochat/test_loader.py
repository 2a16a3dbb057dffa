"""A video as LangChain documents."""

from __future__ import annotations

from videochat import Video, VideoCaptionLoader


def test_the_loader_gives_captions_as_documents_with_seconds(clip: Video) -> None:
    loader = VideoCaptionLoader(clip.path, preset=["subtitles", "shots"], kinds=["speech"])
    documents = loader.load()
    assert [document.page_content for document in documents] == ["Hello and welcome.", "First, boil the water."]
    assert [document.metadata["start_seconds"] for document in documents] == [1.0, 6.5]
    assert documents[0].metadata["source"] == str(clip.path)
    assert documents[0].metadata["video_id"] == clip.id
    assert documents[0].id
    assert next(iter(loader.lazy_load())) == documents[0]
