"""Statistics: means with standard errors clustered by video, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    error: float | None
    """Standard error; None where there are fewer than two clusters."""
    half_width: float | None
    """Half of the 95 % interval, by Student's t with as many degrees of freedom as clusters, less one."""
    count: int
    clusters: int

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return None if self.half_width is None else self.mean + self.half_width


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Return a mean whose error takes questions about one video for what they are: not independent.

    The sandwich estimator: squares of the sums of residuals by cluster, times G / (G - 1) for G clusters.

    Args:
        values: one or more.
        clusters: of each value, what it belongs to.
    """
    from scipy.stats import t

    array = np.asarray(values, float)
    known: dict[Hashable, int] = {}
    codes = [known.setdefault(cluster, len(known)) for cluster in clusters]
    mean, groups = float(array.mean()), len(known)
    if groups < 2:
        return Estimate(mean, None, None, len(array), groups)
    sums = np.bincount(codes, weights=array - mean)
    error = math.sqrt(float((sums**2).sum()) * groups / (groups - 1)) / len(array)
    return Estimate(mean, error, error * float(t.ppf(0.975, groups - 1)), len(array), groups)


def paired_difference(one: Sequence[float], two: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """Return the mean difference of two results for the same questions, with its clustered interval."""
    return clustered_mean(np.asarray(one, float) - np.asarray(two, float), clusters)
