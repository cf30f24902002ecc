"""The text log of Linux's mmiotrace, written for its tools (demmio, replayers, awk) and read from mmiotrace itself.

Source of the format: kernel/trace/trace_mmiotrace.c and Documentation/trace/mmiotrace.rst. One record a line,
single spaces: `R width time map address value pc pid`, `W` alike, `MAP time map physical virtual length pc
pid`, `UNMAP time map pc pid`, `MARK time text`, `UNKNOWN time map address code pc pid`, `VERSION`, `PCIDEV`.
Times are seconds with six digits; a mark at time zero reports a loss.

The log knows less than a trace: widths of 1, 2, 4 and 8 only, no atomics, ports, threads or flags. A wider
access is written as several, in address order, an atomic as a read and a write. What has no line of its own
(the name of a region, an access to a port) stands in a mark, "pagetrap" and the record as in JSON Lines, which
other readers pass over. Map number 0 means that nothing is mapped there.
"""

import re
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Final

from attrs import evolve

from decode import READ, WRITE, Direction
from mmio.arguments import shortened
from mmio.formats.jsonlines import from_json, to_json
from mmio.formats.linewriter import LineWriter
from mmio.formats.reader import LineReader, Parse, Promise, WrongVersion
from mmio.pictures.table import seconds
from mmio.records.access import LETTERS, Access
from mmio.records.events import (
    LAST_NUMBER,
    Event,
    Located,
    Loss,
    Mapped,
    Mark,
    PciDevice,
    Record,
    Undecoded,
    Unmapped,
)
from mmio.records.spot import LIMIT, Spot

VERSION: Final = "20070824"
OURS: Final = "pagetrap "
_ENDS: Final = OURS + '{"ends":true}'
_PROMISE: Final = f"MARK 0.000001 {_ENDS}"

_KINDS: Final = ("VERSION", "PCIDEV", "MAP", "UNMAP", "MARK", "UNKNOWN", "R", "W", "LSPCI")
_WIDTHS: Final = (8, 4, 2, 1)
_PAGE: Final = 0x1000
_NEVER: Final = "0.000000"
_MICROSECOND: Final = 1000
_LOST: Final = re.compile(r"Lost (\d{1,18}) events\.")
_DRIVER: Final = re.compile("[!-~]{0,64}")
_TIME: Final = re.compile(r"(\d{1,12})\.(\d{6})")
# demmio takes what is beyond the 1023rd byte of a line for a line of its own.
_LONGEST: Final = 1023
_MARK_PIECE: Final = 150


def recognises(start: bytes) -> bool:
    """Return whether a file that starts so is a mmiotrace log, or part of one."""
    words = start.partition(b"\n")[0].split()
    return bool(words) and (words[0] in map(str.encode, _KINDS) or words[0].startswith(b"#"))


def nvidia_card(start: int, length: int) -> PciDevice:
    """Return a made-up graphics card whose first BAR is this range, for `MmiotraceWriter(devices=…)`.

    demmio decodes only what goes to the BARs of a device of vendor 10de whose first two BARs are set.
    """
    second = start + length + -(start + length) % _PAGE
    resources = (start, second | 0xC, 0, 0, 0, 0, 0)
    return PciDevice(0, 0, 1, 0, 0x10DE, 0x0611, 0, resources, (length, 0, 0, 0, 0, 0, 0), "pagetrap")


class MmiotraceWriter(LineWriter):
    """Writes a mmiotrace log. `devices` become PCIDEV lines at its top; see `nvidia_card`."""

    def __init__(
        self, path: str | PathLike[str], *, devices: Sequence[PciDevice] = (), every: int = 1, seconds: float = 1.0
    ) -> None:
        self._devices = devices
        self._maps: dict[tuple[str, str, int], int] = {}  # the numbers of what is mapped, by space, name and start
        self._numbers: dict[Spot, int] = {}  # and by spot
        self._time = 0
        super().__init__(path, every=every, seconds=seconds)

    def header(self) -> str:
        """Return VERSION, the PCIDEV lines, and the mark that promises an end."""
        return f"VERSION {VERSION}\n" + "".join(map(_pci_line, self._devices)) + f"{_PROMISE}\n"

    def footer(self) -> str:
        """Return an UNMAP for each region that is still mapped, and the mark that says that the trace is finished."""
        unmapped = "".join(self.event(Unmapped(0, self._time, number)) for number in list(self._maps.values()))
        return unmapped + _ours(evolve(self._ended, time=self._time))

    def access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
        """Return a line, or several for a wide access or an atomic, and a MAP before them for a new region."""
        self._time = max(self._time, time)
        if spot.space != "memory":
            return _ours(spot.access(sequence, time, value, old))
        number = self._numbers.get(spot)
        mapping = ""
        if number is None:
            number, mapping = self._number(spot, sequence, time)
        at, tail = seconds(time), f"{spot.ip:#x} 0\n"
        if spot.width in _WIDTHS and old is None:  # nearly all
            return f"{mapping}{LETTERS[spot.direction]} {spot.width} {at} {number} {spot.address:#x} {value:#x} {tail}"
        return mapping + "".join(
            f"{letter} {width} {at} {number} {address:#x} {piece:#x} {tail}"
            for letter, width, address, piece in _pieces(spot, value, old)
        )

    def event(self, event: Event) -> str:
        """Return the lines for an event: several for a long mark."""
        self._time = max(self._time, event.time)
        at = seconds(event.time)
        match event:
            case Mapped(space="memory", number=number, start=start, length=length):
                self._numbers.clear()
                self._maps[event.space, event.name, start] = number
                # We know one address of a region, so it stands for the physical and the virtual one.
                return _ours(event) + f"MAP {at} {number} {start:#x} {start:#x} {length:#x} 0x0 0\n"
            case Unmapped(number=number) if number in self._maps.values():
                self._numbers.clear()
                self._maps = {key: other for key, other in self._maps.items() if other != number}
                return f"UNMAP {at} {number} 0x0 0\n"
            case Mark(text=text):
                pieces = (text[i : i + _MARK_PIECE] for i in range(0, len(text) or 1, _MARK_PIECE))
                return "".join(_mark_line(evolve(event, text=piece)) for piece in pieces)
            case Loss(count=count):
                return f"MARK {_NEVER} Lost {count} events.\n"
            case Undecoded(region=number, address=address, code=code, ip=ip):
                return f"UNKNOWN {at} {number} {address:#x} {code.hex(',')} {ip:#x} 0\n"
            case PciDevice():
                return _pci_line(event)
            case Located() if len(_ours(event)) >= _LONGEST:  # the name of a C++ function
                return _ours(evolve(event, symbol="", into=0, line=""))
        return _ours(event)

    def _number(self, spot: Spot, sequence: int, time: int) -> tuple[int, str]:
        """Return a spot's map number, and the MAP line that must come first if the region has not been announced."""
        mapping, number = "", 0
        if spot.region is not None and spot.offset is not None and spot.offset <= spot.address:
            key = spot.space, spot.region, spot.address - spot.offset
            if key not in self._maps:
                end = spot.offset + spot.width
                length = min(end + -end % _PAGE, LAST_NUMBER + 1)
                taken = (number for number in self._maps.values() if number < LAST_NUMBER // 2)
                mapping = self.event(Mapped(sequence, time, max(taken, default=0) + 1, *key, length))
            number = self._maps[key]
        if len(self._numbers) >= LIMIT:
            self._numbers.clear()
        self._numbers[spot] = number
        return number, mapping


def _pieces(spot: Spot, value: int, old: int | None) -> Iterator[tuple[str, int, int, int]]:
    """Cut an access into (letter, width, address, value) of the widths the log has, in address order."""
    values = [(LETTERS[spot.direction], value)] if old is None else [("R", old), ("W", value)]
    for letter, whole in values:
        at = 0
        while at < spot.width:
            size = next(size for size in _WIDTHS if size <= spot.width - at)
            yield letter, size, spot.address + at, whole >> 8 * at & (1 << 8 * size) - 1
            at += size


def _mark_line(mark: Mark) -> str:
    """Return a mark as plain text, where that says the same to every reader."""
    plain = mark.text.isprintable() and mark.text.isascii() and mark.text == mark.text.strip() != ""
    if not plain or mark.text.startswith(OURS) or mark.time < _MICROSECOND:
        return _ours(mark)
    return f"MARK {seconds(mark.time)} {mark.text}\n"


def _ours(record: Record) -> str:
    at = seconds(max(record.time, _MICROSECOND))  # zero is the time of losses
    return f"MARK {at} {OURS}{to_json(record)}\n"


def _pci_line(device: PciDevice) -> str:
    """Return the line of a device, or a mark when the line could not be read back: a driver's name is any text."""
    small = max(device.bus, device.devfn) < 1 << 8 and max(device.vendor, device.device) < 1 << 16
    if not (small and len(device.resources) == len(device.sizes) == 7 and _DRIVER.fullmatch(device.driver)):
        return _ours(device)
    place = f"{device.bus:02x}{device.devfn:02x} {device.vendor:04x}{device.device:04x} {device.irq:x}"
    numbers = " ".join(f"{number:x}" for number in (*device.resources, *device.sizes))
    return f"PCIDEV {place} {numbers} {device.driver}\n"


class MmiotraceReader(LineReader):
    """Reads a mmiotrace log, Linux's or pagetrap's.

    Regions that the log does not name are called "map 1", "map 2" and so on. Linux does not mask values to
    their width; they are masked here. What the kernel's tracer says about itself becomes marks. Sequence
    numbers count the accesses read.
    """

    def parser(self) -> Parse:
        """Return the parser of a log, which remembers what is mapped."""
        return _Parser().parse


class _Parser:
    """Reads a log once: what came before decides what a map number means."""

    def __init__(self) -> None:
        self._maps: dict[int, Mapped] = {}
        self._announced: dict[int, Mapped] = {}
        self._sequence = 0
        self._time = 0

    def parse(self, number: int, line: str) -> list[Record | Promise]:
        if line == _PROMISE:
            return [Promise()]
        record = self._record(line)
        if record is None:
            return []
        self._sequence += isinstance(record, Access)
        self._time = max(self._time, record.time)
        return [record]

    def _record(self, line: str) -> Record | None:
        kind, _, rest = line.partition(" ")
        words = rest.split()
        match [kind, *words]:
            case ["R" | "W", width, at, region, address, value, pc, _]:
                return self._access(READ if kind == "R" else WRITE, width, _time(at), region, address, value, pc)
            case ["MARK", at, *_]:
                return self._mark(at, rest[len(at) + 1 :])
            case ["MAP", at, region, physical, _, length, _, _]:
                return self._mapped(_time(at), _decimal(region), _hex(physical), _length(length))
            case ["UNMAP", at, region, _, _]:
                return self._unmapped(_time(at), _decimal(region))
            case ["UNKNOWN", at, region, address, code, pc, _]:
                opcode = bytes.fromhex(code.replace(",", ""))
                return Undecoded(self._sequence, _time(at), _decimal(region), _hex(address), opcode, _hex(pc))
            case ["PCIDEV", *_] if len(words) in (17, 18):
                return self._pci_device(words)
            case ["VERSION", version]:
                if version != VERSION:
                    raise WrongVersion(f"expected mmiotrace version {VERSION}, got {shortened(version)}")
                return None
            case ["LSPCI", *_] | ["rw" | "map", "what?"]:
                return Mark(self._sequence, self._time, line)
        if not kind or kind.startswith("#"):
            return None
        if kind in _KINDS:
            raise ValueError(f"{kind} has the wrong number of fields: {shortened(line)}")
        raise ValueError(f"expected one of {', '.join(_KINDS)}, got {shortened(line)}")

    def _access(
        self, direction: Direction, width: str, time: int, region: str, address: str, value: str, pc: str
    ) -> Access:
        if width not in ("1", "2", "4", "8"):
            raise ValueError(f"expected a width of 1, 2, 4 or 8, got {shortened(width)}")
        size, place, mapped = int(width), _hex(address), self._maps.get(_decimal(region))
        if mapped is not None and not mapped.start <= place < mapped.end:
            raise ValueError(f"{address} is not in map {region}, {mapped.start:#x}..{mapped.end:#x}")
        masked = _hex(value) & (1 << 8 * size) - 1
        access = Access(self._sequence, time, 0, direction, "memory", place, size, masked, ip=_hex(pc))
        return access if mapped is None else evolve(access, region=mapped.name, offset=place - mapped.start)

    def _mark(self, at: str, text: str) -> Record | None:
        lost = _LOST.fullmatch(text)
        if lost and at == _NEVER:
            return Loss(self._sequence, self._time, int(lost[1]))
        if not text.startswith(OURS):
            return Mark(self._sequence, _time(at), text)
        record = evolve(from_json(text.removeprefix(OURS)), sequence=self._sequence)
        if isinstance(record, Mapped):
            if record.space == "memory":
                self._announced[record.number] = record  # the MAP line follows
                return None
            self._maps[record.number] = record
        return record

    def _mapped(self, time: int, number: int, start: int, length: int) -> Mapped:
        announced = self._announced.pop(number, None)
        name = f"map {number}" if announced is None else announced.name
        mapped = self._maps[number] = Mapped(self._sequence, time, number, "memory", name, start, length)
        return mapped

    def _unmapped(self, time: int, number: int) -> Unmapped:
        if self._maps.pop(number, None) is None:
            raise ValueError(f"UNMAP of map {number}, which is not mapped")
        return Unmapped(self._sequence, time, number)

    def _pci_device(self, words: list[str]) -> PciDevice:
        place, identity, *numbers = (_hex(word) for word in words[:17])
        driver = words[17] if len(words) > 17 else ""
        bus, devfn = divmod(place, 0x100)
        vendor, device = divmod(identity, 0x10000)
        resources, sizes = tuple(numbers[1:8]), tuple(numbers[8:15])
        return PciDevice(self._sequence, self._time, bus, devfn, vendor, device, numbers[0], resources, sizes, driver)


def _time(text: str) -> int:
    """Return a time in ns."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time such as 12.000345, got {shortened(text)}")
    return int(match[1]) * 10**9 + int(match[2]) * 1000


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= LAST_NUMBER):
        raise ValueError(f"expected a map number, got {shortened(text)}")
    return int(text)


def _length(text: str) -> int:
    """Return a region's length in bytes: the whole address space's, 2**64, is one more than an address can be."""
    return LAST_NUMBER + 1 if text == f"{LAST_NUMBER + 1:#x}" else _hex(text)


def _hex(text: str) -> int:
    digits = text.removeprefix("0x")
    if not re.fullmatch("[0-9a-fA-F]{1,16}", digits):
        raise ValueError(f"expected a hexadecimal number of up to 64 bits, got {shortened(text)}")
    return int(digits, 16)
