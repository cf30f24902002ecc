"""Code of this process without patches, for its readers."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

Original: TypeAlias = Callable[[int, bytes], bytes]

_layers: Final[list[Original]] = []


def add(original: Original) -> None:
    """Add a function that takes an address and the bytes there, and returns those of the program as it was."""
    _layers.append(original)


def remove(original: Original) -> None:
    """Remove a function that has been added. Does nothing where it has not."""
    with suppress(ValueError):
        _layers.remove(original)


def without_patches(address: int, code: bytes) -> bytes:
    """Return code that has been read from memory as it would be without patches."""
    for original in _layers:
        code = original(address, code)
    return code
