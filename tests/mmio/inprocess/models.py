"""Device models for these tests."""

from typing import Any


class Bytes:
    """Plain memory that keeps a log of what was done to it: ("r", offset, width) or ("w", offset, width, value)."""

    def __init__(self, length: int, contents: bytes = b"") -> None:
        self.length = length
        self.data = bytearray(contents.ljust(length, b"\0"))
        self.log: list[tuple[Any, ...]] = []

    def read(self, offset: int, width: int) -> int:
        self.log.append(("r", offset, width))
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        self.log.append(("w", offset, width, value))
        self.data[offset : offset + width] = value.to_bytes(width, "little")


class Raising:
    """Raises what it is told to, a new one each time if it is a class."""

    length = 4096

    def __init__(self, error: BaseException | type[BaseException]) -> None:
        self.error = error

    def read(self, offset: int, width: int) -> int:
        raise self.error

    def write(self, offset: int, width: int, value: int) -> None:
        raise self.error
