"""Where stylezoo keeps files that it can rebuild or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from stylezoo.errors import CacheError

CACHE_VARIABLE = "STYLEZOO_CACHE"


def cache_dir() -> Path:
    """The cache folder: STYLEZOO_CACHE or the platform's default. It need not exist yet.

    Raises:
        CacheError: there is no home folder to keep it in.
    """
    import platformdirs

    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        folder = Path(chosen) if chosen else platformdirs.user_cache_path("stylezoo")
        return folder.expanduser()  # some versions of platformdirs leave an unresolvable "~"
    except RuntimeError as error:
        raise CacheError(
            f"there is no home folder to keep the cache in{f' ({chosen!r})' if chosen else ''}; "
            f"set {CACHE_VARIABLE} to a folder"
        ) from error
