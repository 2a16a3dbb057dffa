"""Workers on Ray: how a cluster is shared; a real one is in tests/stories/test_ray.py and benchmarks/fleet.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from videochat.agent import ray_workers
from videochat.agent.ray_workers import watch_on_ray
from videochat.errors import InvalidArgument, MissingDependency, UnknownName


@pytest.mark.parametrize(
    ("resources", "wanted", "count", "options"),
    [
        ({"CPU": 2.0}, None, 1, {"num_cpus": 2}),
        ({"CPU": 64.0}, None, 16, {"num_cpus": 4}),
        ({"CPU": 64.0, "GPU": 8.0}, None, 8, {"num_cpus": 8, "num_gpus": 1}),
        ({"CPU": 2.0}, 3, 3, {"num_cpus": 0.6666}),
        ({"CPU": 16.0, "GPU": 1.0}, 3, 3, {"num_cpus": 5, "num_gpus": 0.3333}),
    ],
)
def test_a_cluster_is_shared_evenly(
    resources: dict[str, float], wanted: int | None, count: int, options: dict[str, float]
) -> None:
    assert ray_workers.share(resources, wanted) == (count, options)


def test_what_cannot_work_is_said_before_ray_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="need one Chroma server"):
        watch_on_ray(tmp_path, memory=str(tmp_path))
    with pytest.raises(InvalidArgument, match="must be above 0"):
        watch_on_ray(tmp_path, memory="http://chroma:8000", workers=0)
    with pytest.raises(UnknownName):
        watch_on_ray(tmp_path, memory="http://chroma:8000", preset="none")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependency, match=r"videochat\[ray\]"):
        watch_on_ray(tmp_path, memory="http://chroma:8000")
