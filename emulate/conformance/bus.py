"""Rules for a bus that is memory: exact widths, little-endian, no other byte changed, errors without effect."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from emulate.bus import Bus
from emulate.conformance.report import Report

WIDTHS: Final = (1, 2, 4, 8, 10, 16, 32, 64)
"""What instructions access in one piece, mostly."""

_SPAN: Final = 192


def check_bus(make: Callable[[], Bus], start: int, size: int) -> Report:
    """Check a bus on a stretch of it that is to be plain memory.

    The bytes around the stretch are not touched, but for accesses that begin inside and reach over its end: these may
    raise anything, and must have changed nothing if they do.

    Args:
        make: returns a fresh bus.
        start: the address of its first byte of memory.
        size: how many bytes, 192 or more.

    Raises:
        ValueError: the stretch is too short to tell anything.
    """
    if size < _SPAN:
        raise ValueError(f"expected {_SPAN} bytes of memory or more, got {size}")
    report = Report()
    for law in (_reads_back, _little_endian, _keeps_neighbours, _over_the_end, _updates, _blocks, _fetches):
        law(report, make(), start, size)
    return report


def _pattern(width: int, salt: int) -> bytes:
    """Bytes all different, and different for each salt."""
    return bytes((salt * 67 + i * 29 + 1) & 0xFF for i in range(width))


def _places(start: int, size: int, width: int) -> Iterator[int]:
    """Addresses: the first, odd ones, one across a boundary of 64 bytes, the last."""
    yield from (start, start + 1, start + 3, start + 64 - width // 2, start + size - width)


def _bytes(bus: Bus, address: int, length: int) -> bytes:
    return bytes(bus.read(address + i, 1) for i in range(length))


def _fill(bus: Bus, address: int, data: bytes) -> None:
    for i, byte in enumerate(data):
        bus.write(address + i, 1, byte)


def _reads_back(report: Report, bus: Bus, start: int, size: int) -> None:
    law = "what was written is read, at every width and alignment"
    for salt, width in enumerate(WIDTHS):
        for address in _places(start, size, width):
            for value in (int.from_bytes(_pattern(width, salt), "little"), (1 << 8 * width) - 1, 0):
                bus.write(address, width, value)
                got = bus.read(address, width)
                example = f"write({address:#x}, {width}, {value:#x}), then read({address:#x}, {width}): got {got!r}"
                report.expect(law, type(got) is int and got == value, example)


def _little_endian(report: Report, bus: Bus, start: int, size: int) -> None:
    law = "values are little-endian: the lowest byte stands at the address"
    for salt, width in enumerate(WIDTHS):
        for address in _places(start, size, width):
            data = _pattern(width, salt)
            bus.write(address, width, int.from_bytes(data, "little"))
            got = _bytes(bus, address, width)
            example = f"a write of {width} bytes at {address:#x}: expected {data.hex(' ')}, got {got.hex(' ')}"
            report.expect(law, got == data, example)
            _fill(bus, address, data[::-1])
            value = bus.read(address, width)
            expected = int.from_bytes(data[::-1], "little")
            example = f"read({address:#x}, {width}) of {data[::-1].hex(' ')}: expected {expected:#x}, got {value:#x}"
            report.expect(law, value == expected, example)


def _keeps_neighbours(report: Report, bus: Bus, start: int, size: int) -> None:
    law = "a write touches its own bytes only, a read none"
    before = _pattern(_SPAN, 3)
    for width in WIDTHS:
        place = 64 - width // 2
        _fill(bus, start, before)
        bus.write(start + place, width, 0)
        bus.read(start + place, width)
        expected = before[:place] + bytes(width) + before[place + width :]
        got = _bytes(bus, start, _SPAN)
        wrong = [start + i for i in range(_SPAN) if got[i] != expected[i]]
        example = f"write({start + place:#x}, {width}, 0) changed {', '.join(map(hex, wrong[:4]))}"
        report.expect(law, not wrong, example)


def _over_the_end(report: Report, bus: Bus, start: int, size: int) -> None:
    law = "an access that raises leaves everything as it was"
    for width in WIDTHS[1:]:
        address = start + size - width // 2
        before = _pattern(width // 2, width)
        _fill(bus, address, before)
        try:
            bus.write(address, width, 0)
        except Exception as error:
            got = _bytes(bus, address, width // 2)
            example = (
                f"write({address:#x}, {width}, 0) raised {error!r}: expected {before.hex(' ')}, got {got.hex(' ')}"
            )
            report.expect(law, got == before, example)


def _updates(report: Report, bus: Bus, start: int, size: int) -> None:
    update: Any = getattr(bus, "update", None)
    if update is None:
        return
    law = "`update` calls the operation once with the old value, stores the result and returns the old value"
    for width in WIDTHS[:6]:
        old = int.from_bytes(_pattern(width, 5), "little")
        bus.write(start, width, old)
        asked: list[int] = []

        def invert(value: int, asked: list[int] = asked, mask: int = (1 << 8 * width) - 1) -> int:
            asked.append(value)
            return value ^ mask

        returned = update(start, width, invert)
        now = bus.read(start, width)
        example = (
            f"update({start:#x}, {width}, invert) of {old:#x}: asked {asked!r}, returned {returned!r}, now {now:#x}"
        )
        report.expect(law, (asked, returned, now) == ([old], old, old ^ (1 << 8 * width) - 1), example)


def _blocks(report: Report, bus: Bus, start: int, size: int) -> None:
    data = _pattern(_SPAN, 7)
    read_block: Any = getattr(bus, "read_block", None)
    write_block: Any = getattr(bus, "write_block", None)
    if read_block is not None:
        _fill(bus, start, data)
        block = read_block(start, _SPAN)
        law = "`read_block` returns the bytes, or None"
        report.expect(law, block is None or bytes(block) == data, f"read_block({start:#x}, {_SPAN}): got {block!r}")
    if write_block is not None:
        _fill(bus, start, bytes(_SPAN))
        taken = write_block(start, data)
        got = _bytes(bus, start, _SPAN)
        law = "`write_block` stores all bytes and returns True, or stores none and returns False"
        example = f"write_block({start:#x}, {data[:4].hex(' ')} …) returned {taken!r}, memory has {got[:4].hex(' ')} …"
        report.expect(law, (taken is True and got == data) or (taken is False and not any(got)), example)


def _fetches(report: Report, bus: Bus, start: int, size: int) -> None:
    fetch: Any = getattr(bus, "fetch", None)
    if fetch is None:
        return
    law = "`fetch` returns the bytes that are there, as many as asked, fewer at the end only"
    data = _pattern(15, 9)
    for address, length in ((start, 15), (start + size - 4, 4)):
        _fill(bus, address, data[:length])
        got = bytes(fetch(address, 15))
        good = got[:length] == data[:length] and length <= len(got) <= 15
        report.expect(law, good, f"fetch({address:#x}, 15): expected {data[:length].hex(' ')}, got {got.hex(' ')}")
