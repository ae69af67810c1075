"""Where stylezoo keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "STYLEZOO_CACHE"


def cache_dir() -> Path:
    """The cache folder: STYLEZOO_CACHE, or the platform's own place. It need not exist yet."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("stylezoo")
