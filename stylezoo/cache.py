"""Where stylezoo keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from stylezoo.errors import CacheError

CACHE_VARIABLE = "STYLEZOO_CACHE"


def cache_dir() -> Path:
    """The cache folder: STYLEZOO_CACHE, or the platform's own place. It need not exist yet.

    Raises:
        CacheError: there is no home folder to keep it in.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        folder = Path(chosen).expanduser() if chosen else _default()
    except RuntimeError:  # of expanduser
        folder = Path("~")
    if folder.parts[:1] == ("~",):
        raise CacheError(
            f"there is no home folder to keep the cache in; name a folder with {CACHE_VARIABLE}"
        )
    return folder


def _default() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("stylezoo")
