"""Names of the previous release work and warn; modules that moved say where to."""

import importlib
from pathlib import Path

import pytest

from videochat import renamed
from videochat.memory import CaptionStore
from videochat.tools import make_tool


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in renamed.NAMES.items() for n in names])
def test_an_old_name_is_the_new_thing_and_warns(module: str, name: str) -> None:
    home, _, now = renamed.NAMES[module][name].partition(":")
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} is now {home}\.{now}"):
        old = getattr(importlib.import_module(module), name)
    assert old is getattr(importlib.import_module(home), now)


@pytest.mark.parametrize("module", renamed.MODULES)
def test_a_module_that_moved_says_where_to(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"is now {renamed.MODULES[module]}; import that"):
        importlib.import_module(module)
    importlib.import_module(renamed.MODULES[module])


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'videochat.errors' has no attribute 'Nonsense'"):
        renamed.getter("videochat.errors")("Nonsense")


def test_an_old_keyword_is_passed_on_and_warns() -> None:
    @renamed.keywords(brakes="limits")
    def make(*, limits: int) -> int:
        return limits

    with pytest.warns(DeprecationWarning, match="'brakes' of .*make.* is now 'limits'"):
        assert make(brakes=3) == 3  # type: ignore[call-arg]  # the old name is what is tested
    assert make(limits=4) == 4
    with pytest.raises(TypeError, match="got 'limits' twice"):
        make(brakes=3, limits=4)  # type: ignore[call-arg]  # the refusal is what is tested
    with pytest.raises(TypeError, match="breaks"):
        make(breaks=3)  # type: ignore[call-arg]  # the refusal is what is tested


def test_a_module_that_moved_says_so_also_from_its_package() -> None:
    with pytest.raises(ImportError, match=r"videochat\.tools\.weights is now videochat\.hub"):
        from videochat.tools import weights  # type: ignore[attr-defined]  # noqa: F401 - the import's refusal is what is tested


def test_old_keywords_of_senses_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match="'place' of FrameCaptioner.* is now 'device'"):
        make_tool("captions", place="cpu")


def test_the_old_name_of_a_videos_captions_works_and_warns(tmp_path: Path) -> None:
    with CaptionStore(tmp_path, embeddings="builtin") as store, pytest.warns(DeprecationWarning, match="captions_of"):
        assert store.shelf("v1") is store.captions_of("v1")  # type: ignore[attr-defined]  # the old name is what is tested
