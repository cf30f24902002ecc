"""JSON Lines: the default format for machines. The schema is in docs/formats.md.

One object a line: a header, then accesses and events in order. Numbers are JSON integers of any size; what an
access does not have is left out. Everything an `Access` holds comes back equal.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from os import PathLike
from typing import Any, Final

from attrs import NOTHING, fields

from decode import DecodeError, Direction, Instruction, Vendor, decode
from mmio.arguments import shortened
from mmio.formats.linewriter import LineWriter
from mmio.formats.reader import LineReader, Parse, Promise, WrongVersion
from mmio.records.access import LETTERS, Access, Describe, Space
from mmio.records.events import (
    Cut,
    Ended,
    Event,
    Located,
    Loss,
    Mapped,
    Mark,
    PciDevice,
    Record,
    Started,
    Undecoded,
    Unmapped,
)
from mmio.records.fields import FieldPlace
from mmio.records.flags import NAMES, flag_names
from mmio.records.spot import Remembered, Spot

SCHEMA: Final = "pagetrap-trace"
VERSION: Final = 1
MAX_WIDTH: Final = 1 << 16  # more than any instruction moves; a file must not make us build larger numbers

_EVENTS: Final[dict[str, type[Event]]] = {
    kind.__name__.lower(): kind
    for kind in (Started, Mapped, Unmapped, Mark, Loss, Located, Undecoded, PciDevice, Ended, Cut)
}
_END: Final = 1 << 64
_LENGTHS: Final = frozenset(("length",))  # a region may be as long as the whole space
_DIRECTIONS: Final = {letter: direction for direction, letter in LETTERS.items()}
_SPACES: Final[dict[str, Space]] = {"memory": "memory", "port": "port"}
_FIELD: Final = re.compile(r"(\S+)\[(\d{1,6})(?::(\d{1,6}))?\]")
_FLAGS: Final = {name: bit for bit, name in NAMES.items()}


class JsonLinesWriter(LineWriter):
    """Writes JSON Lines."""

    def __init__(self, path: str | PathLike[str], *, every: int = 1, seconds: float = 1.0) -> None:
        self._templates = Remembered(_template)
        super().__init__(path, every=every, seconds=seconds)

    def header(self) -> str:
        """Return the object that names schema and version, and promises an end."""
        return _dumped({"schema": SCHEMA, "version": VERSION, "ends": True}) + "\n"

    def footer(self) -> str:
        """Return the object that says that the trace is finished."""
        return _dumped(_from_event(self._ended)) + "\n"

    def access(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
        """Return one object."""
        return _line(self._templates[spot], spot, sequence, time, value, old) + "\n"

    def event(self, event: Event) -> str:
        """Return one object."""
        return _dumped(_from_event(event)) + "\n"


class JsonLinesReader(LineReader):
    """Reads JSON Lines."""

    def parser(self) -> Parse:
        """Return the function that parses a line; the first must be the header, and accesses must be in order."""
        return _Parser().parse


def recognises(start: bytes) -> bool:
    """Return whether a file that starts so is in this format: it begins with an object that names a schema."""
    line = start.partition(b"\n")[0]
    return line.startswith(b"{") and b'"schema"' in line


def to_json(record: Record) -> str:
    """Return the object for one record, on one line, in ASCII."""
    if isinstance(record, Access):
        spot = Spot.of(record)
        return _line(_template(spot), spot, record.sequence, record.time, record.value, record.old)
    return _dumped(_from_event(record))


def from_json(text: str) -> Record:
    """Return the record of one object. Raises ValueError with a reason."""
    item = _loaded(text)
    return event_from(item) if "event" in item else _to_access(item)


_quoted: Final = lru_cache(maxsize=4096)(json.encoder.encode_basestring_ascii)
_dumped: Final = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder for each line


def _loaded(text: str) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except ValueError:  # of Python's limit on the digits of a number
        raise ValueError("a number in it has more digits than any value") from None
    if not isinstance(item, dict):
        raise ValueError(f"expected an object, got {type(item).__name__}")
    return item


Template = tuple[str, str, str]
"""Of a spot: the text between time and value, between value and fields, and after the fields."""


def _template(spot: Spot) -> Template:
    before = (
        f',"thread":{spot.thread},"direction":"{LETTERS[spot.direction]}","space":"{spot.space}"'
        f',"address":{spot.address},"width":{spot.width},"value":'
    )
    place = "" if spot.region is None else f',"region":{_quoted(spot.region)}'
    if spot.offset is not None:
        place = f'{place},"offset":{spot.offset}'
    if spot.register is not None:
        place = f'{place},"register":{_quoted(spot.register)}'
    after = f',"layout":{_quoted(layout_text(spot.layout))}' if spot.layout else ""
    if spot.ip:
        after = f'{after},"ip":{spot.ip}'
    if spot.instruction is not None:
        code, bits, vendor = spot.instruction.code, spot.instruction.bits, spot.instruction.vendor
        text = instruction_text(code, bits, spot.ip, vendor)
        after = f'{after},"code":"{code.hex()}","bits":{bits},"text":{_quoted(text)}'
        if vendor != "intel":
            after = f'{after},"vendor":"{vendor}"'
    if spot.flags:
        after = f'{after},"flags":{_dumped(flag_names(spot.flags))}'
    return before, place, after + "}"


def _line(template: Template, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> str:
    before, place, after = template
    if old is not None:
        place = f',"old":{old}{place}'
    if spot.describe is not None:
        fields = spot.decoded(value)
        place = f'{place},"fields":{_quoted(fields)}' if fields else place
    return f'{{"sequence":{sequence},"time":{time}{before}{value}{place}{after}'


def layout_text(layout: Iterable[FieldPlace]) -> str:
    """Return fields as a datasheet has them: "EN[0] PSC[15:8]"."""
    return " ".join(
        f"{'_'.join(name.split())}[{msb}:{lsb}]" if msb > lsb else f"{'_'.join(name.split())}[{lsb}]"
        for name, msb, lsb in layout
    )


@lru_cache(maxsize=4096)  # it costs more than all the rest of the line
def instruction_text(code: bytes, bits: int, ip: int, vendor: Vendor) -> str:
    """Return an instruction as it reads at an address."""
    return decode(code, bits=bits, vendor=vendor).format(ip=ip)


def _from_event(event: Event) -> dict[str, Any]:
    item: dict[str, Any] = {"event": type(event).__name__.lower()}
    for attribute in fields(type(event)):
        value = getattr(event, attribute.name)
        if value != attribute.default:  # a key that was added later is left out where it says nothing
            item[attribute.name] = value.hex() if isinstance(value, bytes) else value
    return item


class _Parser:
    """Reads a file once: its lines must be in the order in which they were written."""

    def __init__(self) -> None:
        self._last = -1

    def parse(self, number: int, line: str) -> list[Record | Promise]:
        if number == 1:
            header = _loaded(line)
            found = header.get("schema"), header.get("version")
            if found != (SCHEMA, VERSION):
                raise WrongVersion(f"expected schema {SCHEMA!r} version {VERSION}, got {shortened(found)}")
            return [Promise()] if header.get("ends") is True else []
        record = from_json(line)
        if isinstance(record, Access):
            if record.sequence <= self._last:
                raise ValueError(
                    f"access {record.sequence} comes after access {self._last}: lines are out of order or duplicated"
                )
            self._last = record.sequence
        return [record]


def _to_access(item: dict[str, Any]) -> Access:
    width = _number(item, "width", 1, MAX_WIDTH + 1)
    values = 1 << 8 * width
    has_offset = "offset" in item
    words = item.get("fields")
    direction = _choice(item, "direction", _DIRECTIONS)
    return Access(
        sequence=_number(item, "sequence"),
        time=_number(item, "time"),
        thread=_number(item, "thread"),
        direction=direction,
        space=_choice(item, "space", _SPACES),
        address=_number(item, "address"),
        width=width,
        value=_number(item, "value", 0, values),
        old=_number(item, "old", 0, values) if direction == Direction.READ_WRITE else None,
        ip=_number(item, "ip") if "ip" in item else 0,
        instruction=_to_instruction(item),
        region=_text(item, "region"),
        offset=_number(item, "offset") if has_offset else None,
        register=_text(item, "register"),
        flags=flags_from(item.get("flags", [])),
        describe=None if words is None else described_as(str(words), item["value"]),
        layout=layout_from(_text(item, "layout") or ""),
    )


@lru_cache(maxsize=4096)  # the same function for the same words, so that accesses read from a file have few spots
def described_as(words: str, of: int) -> Describe:
    """Return a check that repeats what the file says of one value only."""
    return lambda offset, width, value: words if value == of else ""


@lru_cache(maxsize=4096)
def layout_from(text: str) -> tuple[FieldPlace, ...]:
    """Return the fields of such a text as `layout_text` makes. Raises ValueError if it is none."""
    fields = [_FIELD.fullmatch(word) for word in text.split()]
    if None in fields:
        raise ValueError(f"layout: expected fields such as EN[0] PSC[15:8], got {shortened(text)}")
    return tuple((field[1], int(field[2]), int(field[3] or field[2])) for field in fields if field is not None)


def _to_instruction(item: dict[str, Any]) -> Instruction | None:
    if "code" not in item:
        return None
    code = bytes.fromhex(str(item["code"]))
    try:
        instruction = decode(code, bits=item.get("bits", 64), vendor=item.get("vendor", "intel"))
    except (DecodeError, TypeError) as error:
        raise ValueError(f"code {item['code']!r}: {error}") from None
    if instruction.code != code:
        raise ValueError(f"code {item['code']!r} is longer than its instruction")
    return instruction


def flags_from(names: Any) -> int:
    """Return the flags of a list of their names. Raises ValueError if one is none."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name in _FLAGS for name in names):
        raise ValueError(f"flags: expected a list of {', '.join(_FLAGS)}, got {shortened(names)}")
    return sum(_FLAGS[name] for name in set(names))


def event_from(item: dict[str, Any]) -> Event:
    """Return the event of an object. Raises ValueError if it is none."""
    kind: type[Event] = _choice(item, "event", _EVENTS)
    arguments: dict[str, Any] = {}
    for attribute in fields(kind):
        name = attribute.name
        if attribute.type is int:
            arguments[name] = _number(item, name, end=_END + (name in _LENGTHS))
        elif attribute.type is bytes:
            arguments[name] = bytes.fromhex(str(item.get(name)))
        elif attribute.type is str:
            if name in item or attribute.default is NOTHING:  # what was added later is not in older files
                arguments[name] = _text(item, name, needed=True)
        elif attribute.type is Space:
            arguments[name] = _choice(item, name, _SPACES)
        else:
            numbers = item.get(name)
            if not isinstance(numbers, list):
                raise ValueError(f"{name}: expected a list of numbers, got {shortened(numbers)}")
            arguments[name] = tuple(_number({name: number}, name) for number in numbers)
    return kind(**arguments)


def _number(item: dict[str, Any], name: str, least: int = 0, end: int = _END) -> int:
    value = item.get(name)
    if type(value) is not int or not least <= value < end:
        got = "nothing" if name not in item else shortened(value)
        raise ValueError(f"{name}: expected an integer in {least}..{end - 1:#x}, got {got}")
    return value


def _text(item: dict[str, Any], name: str, *, needed: bool = False) -> str | None:
    value = item.get(name)
    if not isinstance(value, str) and (needed or value is not None):
        raise ValueError(f"{name}: expected text, got {shortened(value)}")
    return value


def _choice(item: dict[str, Any], name: str, choices: dict[str, Any]) -> Any:
    value = item.get(name)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {shortened(value)}")
    return choices[value]
