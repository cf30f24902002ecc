"""Device models the tests of this directory share."""


class Recording:
    """Answers each read with its offset in every byte, and remembers what is written."""

    length = 0x1000

    def __init__(self) -> None:
        self.written: list[tuple[int, int, int]] = []

    def read(self, offset: int, width: int) -> int:
        return pattern(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        self.written.append((offset, width, value))


class Broken(Recording):
    """Raises at its third access."""

    accesses = 0

    def read(self, offset: int, width: int) -> int:
        self.accesses += 1
        if self.accesses == 3:
            raise RuntimeError("out of order")
        return 0


def pattern(offset: int, width: int) -> int:
    """Return what `Recording` answers: 0x13121110 at offset 0x10."""
    return int.from_bytes(bytes(offset + i & 0xFF for i in range(width)), "little")
