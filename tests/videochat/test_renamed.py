"""Names of the previous release work and warn; modules that moved say where to."""

import importlib

import pytest

from videochat import renamed


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
        assert make(brakes=3) == 3  # type: ignore[call-arg]
    assert make(limits=4) == 4
    with pytest.raises(TypeError, match="got 'limits' twice"):
        make(brakes=3, limits=4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="breaks"):
        make(breaks=3)  # type: ignore[call-arg]
