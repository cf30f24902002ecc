"""Every file of vendors that comes with pyOCD, every peripheral in it: 105 files, 6,884 peripherals, 21 vendors."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from mmio import SvdFile
from tests.needs import need

pytestmark = pytest.mark.slow


@lru_cache(maxsize=1)
def archive() -> Path | None:
    """Return the archive of SVD files, None when pyOCD is not installed. Nothing of it is imported."""
    found = find_spec("pyocd")
    return None if found is None or found.origin is None else Path(found.origin).parent / "debug/svd/svd_data.zip"


def files() -> list[str]:
    """Return the names of the files."""
    path = archive()
    if path is None:
        return []
    with ZipFile(path) as svds:
        return sorted(svds.namelist())


@contextmanager
def no_collection() -> Iterator[None]:
    """Hundreds of thousands of lasting objects are made, over which the collector would go again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_there_are_files() -> None:
    """Fewer than a hundred would be another archive."""
    need(archive(), "pyocd (pip install pyocd)")
    assert len(files()) >= 100


@pytest.mark.parametrize("name", files())
def test_every_peripheral_of_every_file_is_a_device(tmp_path: Path, name: str) -> None:
    """Without an error; what is wrong in a file costs single elements of it."""
    path = archive()
    assert path is not None
    with ZipFile(path) as svds:
        svds.extract(name, tmp_path)
    with warnings.catch_warnings(), no_collection():
        warnings.simplefilter("ignore")
        chip = SvdFile(tmp_path / name)
        assert len(chip) > 10
        empty = [each for each in chip if not chip[each].layout.places]
    slips = [note for note in chip.notes if note.line]
    assert len(empty) <= 2, empty
    assert len(slips) <= 80, slips
