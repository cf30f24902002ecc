"""What a driver said through a 16550 UART: bytes sent and received, and the line's settings.

    python uart16550.py TRACE [REGION...]

Registers and bits as in the PC16550D data sheet, section 8.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from attrs import frozen

from mmio import Access, open_trace

DATA, DIVISOR_HIGH, LINE_CONTROL = 0, 1, 3  # behind DLAB, DATA and the register after it are the divisor
DLAB, STICK_PARITY, EVEN, PARITY, TWO_STOP_BITS = 0x80, 0x20, 0x10, 0x08, 0x04
CLOCK = 1_843_200  # Hz, of a PC's UART


@frozen
class Event:
    """`kind` is "sent", "received" or "line"; `text` the bytes, or settings such as b"115200 8N1"."""

    kind: str
    text: bytes


def settings(control: int, divisor: int) -> bytes:
    """Return the line settings as terminal programs write them; without a divisor the speed is "?"."""
    parity = "N" if not control & PARITY else ("MS" if control & STICK_PARITY else "OE")[bool(control & EVEN)]
    speed = CLOCK // 16 // divisor if divisor else "?"
    return f"{speed} {5 + (control & 3)}{parity}{2 if control & TWO_STOP_BITS else 1}".encode()


def decode(accesses: Iterable[Access], stride: int = 1) -> Iterator[Event]:
    """Iterate over what happened on the line; `stride` is the distance of the registers in bytes."""
    for kind, group in groupby(_single(accesses, stride), key=lambda event: event.kind):
        events = list(group)
        yield from events if kind == "line" else [Event(kind, b"".join(event.text for event in events))]


def _single(accesses: Iterable[Access], stride: int) -> Iterator[Event]:
    control = divisor = 0
    told = b""
    for access in accesses:
        register, value = (access.offset or 0) // stride, access.value & 0xFF
        if register == LINE_CONTROL and access.writes:
            control = value
            if not control & DLAB and (line := settings(control, divisor)) != told:
                told = line
                yield Event("line", line)
        elif register in (DATA, DIVISOR_HIGH) and control & DLAB:
            if access.writes:
                divisor = divisor & 0xFF00 | value if register == DATA else divisor & 0xFF | value << 8
        elif register == DATA:
            yield Event("sent" if access.writes else "received", bytes([value]))


if __name__ == "__main__":
    for event in decode(open_trace(sys.argv[1]).load().filter(region=sys.argv[2:] or None)):
        print(f"{event.kind:8} {event.text!r}")
