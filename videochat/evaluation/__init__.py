"""Benchmarks of video question answering: official files read, contenders asked, answers scored and reported."""

from __future__ import annotations
