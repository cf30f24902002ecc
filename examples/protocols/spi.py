"""SPI transactions of a driver that toggles the pins itself, through a GPIO port.

    python spi.py TRACE [REGION...]

Mode 0, most significant bit first: the device takes a bit when the clock rises, and the driver reads one before the
clock has fallen. Which bit of which register is which pin is the board's business: change `Pins`.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

from attrs import field, frozen

from mmio import Access, open_trace


@frozen
class Pins:
    """Offsets of the output and the input register, and the masks of the pins in them. Chip select is active low."""

    out: int = 0
    into: int = 4
    select: int = 1
    clock: int = 2
    mosi: int = 4
    miso: int = 1


BOARD = Pins()


@frozen
class Transaction:
    """What went over the wires while the chip was selected. `bits` are those over after the last whole byte."""

    time: int = field(eq=False)
    mosi: bytes
    miso: bytes
    bits: int = 0


def decode(accesses: Iterable[Access], pins: Pins = BOARD) -> Iterator[Transaction]:
    """Iterate over the transactions; one that does not end in the trace is left out."""
    sent: list[int] = []
    received: list[int] = []
    start, miso, last = 0, 0, pins.select
    for access in accesses:
        if access.offset == pins.into and access.reads:
            miso = int(bool(access.value & pins.miso))
        if access.offset != pins.out or not access.writes:
            continue
        rose, fell = access.value & ~last, last & ~access.value
        last = access.value
        if fell & pins.select:
            sent, received, start = [], [], access.time
        elif rose & pins.select:
            yield Transaction(start, _bytes(sent), _bytes(received), len(sent) % 8)
        elif rose & pins.clock:
            sent.append(int(bool(access.value & pins.mosi)))
        elif fell & pins.clock:
            received.append(miso)


def _bytes(bits: Sequence[int]) -> bytes:
    whole = [bits[at : at + 8] for at in range(0, len(bits) - 7, 8)]
    return bytes(sum(bit << 7 - place for place, bit in enumerate(byte)) for byte in whole)


if __name__ == "__main__":
    for found in decode(open_trace(sys.argv[1]).load().filter(region=sys.argv[2:] or None)):
        print(f"{found.time / 1e6:12.3f} ms  {found.mosi.hex(' ')} -> {found.miso.hex(' ')}")
