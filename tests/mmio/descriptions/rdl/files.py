"""Small SystemRDL files, written around the part a test is about."""

import warnings
from pathlib import Path
from typing import Any

from mmio import DescriptionWarning, from_rdl


def write(folder: Path, text: str) -> Path:
    """Write a file."""
    path = folder / "card.rdl"
    path.write_text(text)
    return path


def make(folder: Path, inside: str, **options: Any) -> Any:
    """Make a class of an address map with this inside, quietly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DescriptionWarning)
        return from_rdl(write(folder, f"addrmap card {{\n{inside}\n}};\n"), **options)


def notes(device: Any) -> list[str]:
    """Return the notes of a class as text."""
    return [str(note) for note in device.notes]
