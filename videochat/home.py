"""Where this user's captions and downloads live."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the data folder: `VIDEOCHAT_HOME`, or the operating system's place for user data."""
    given = os.environ.get("VIDEOCHAT_HOME")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("videochat", appauthor=False)
