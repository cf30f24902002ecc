"""Folder of downloads: `pagetrap` in the user's cache (XDG Base Directory Specification)."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp


def cache_folder() -> Path:
    """Return the folder, which may not exist yet: $XDG_CACHE_HOME/pagetrap, or ~/.cache/pagetrap."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".cache"  # a relative one is invalid, and ignored
    return base / "pagetrap"


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache. It is made under another name first, so it is there whole or not at all.

    Args:
        folder: the folder.
        make: fills the empty folder that it is given.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        make(partial)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
