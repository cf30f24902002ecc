"""JSON Lines: the default format for machines. The schema is in docs/formats.md.

One object a line: a header, then accesses and events in order. Numbers are JSON integers of any size; what an
access does not have is left out. Everything an `Access` holds comes back equal.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from reprlib import repr as shortened
from typing import Any, Final

from attrs import fields

from decode import DecodeError, Direction, Instruction, decode
from mmio.formats.reader import LineReader, WrongVersion
from mmio.formats.writer import LineWriter
from mmio.records.access import LETTERS, Access, Describe
from mmio.records.events import Event, Loss, Mapped, Mark, PciDevice, Record, Started, Undecoded, Unmapped
from mmio.records.flags import NAMES, flag_names
from mmio.space.route import Space

SCHEMA: Final = "pagetrap-trace"
VERSION: Final = 1
MAX_WIDTH: Final = 1 << 16  # more than any instruction moves; a file must not make us build larger numbers

_EVENTS: Final[dict[str, type[Event]]] = {
    kind.__name__.lower(): kind for kind in (Started, Mapped, Unmapped, Mark, Loss, Undecoded, PciDevice)
}
_END: Final = (1 << 64) + 1  # a region may be as long as the whole space
_DIRECTIONS: Final = {letter: direction for direction, letter in LETTERS.items()}
_SPACES: Final[dict[str, Space]] = {"memory": "memory", "port": "port"}
_FLAGS: Final = {name: bit for bit, name in NAMES.items()}


class JsonLinesWriter(LineWriter):
    """Writes JSON Lines."""

    def header(self) -> str:
        """Return the object that names schema and version."""
        return _dumped({"schema": SCHEMA, "version": VERSION}) + "\n"

    def lines(self, record: Record) -> str:
        """Return one object."""
        return to_json(record) + "\n"


class JsonLinesReader(LineReader):
    """Reads JSON Lines."""

    def parser(self) -> Callable[[int, str], list[Record]]:
        """Return the function that parses a line; the first must be the header."""
        return _parse


def recognises(start: bytes) -> bool:
    """Whether a file that starts so is one of ours: it begins with an object that names a schema."""
    line = start.partition(b"\n")[0]
    return line.startswith(b"{") and b'"schema"' in line


def to_json(record: Record) -> str:
    """Return the object for one record, on one line, in ASCII."""
    return _dumped(_from_access(record) if isinstance(record, Access) else _from_event(record))


def from_json(text: str) -> Record:
    """Return the record of one object. Raises ValueError with a reason."""
    item = _loaded(text)
    return _to_event(item) if "event" in item else _to_access(item)


_dumped: Final = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder for each line


def _loaded(text: str) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("not JSON of ours: nested too deeply") from None
    if not isinstance(item, dict):
        raise ValueError(f"expected an object, got {type(item).__name__}")
    return item


def _from_access(access: Access) -> dict[str, Any]:
    item: dict[str, Any] = {
        "sequence": access.sequence,
        "time": access.time,
        "thread": access.thread,
        "direction": access.letter,
        "space": access.space,
        "address": access.address,
        "width": access.width,
        "value": access.value,
    }
    optional: dict[str, Any] = {"old": access.old, "region": access.region, "offset": access.offset}
    optional |= {"register": access.register, "fields": access.decoded or None, "ip": access.ip or None}
    if access.instruction is not None:
        optional |= {"code": access.code.hex(), "bits": access.instruction.bits}
        optional["text"] = _instruction_text(access.code, access.instruction.bits, access.ip)
    optional["flags"] = flag_names(access.flags) or None
    item |= {key: value for key, value in optional.items() if value is not None}
    return item


@lru_cache(maxsize=4096)  # formatting an instruction costs more than all the rest of the line
def _instruction_text(code: bytes, bits: int, ip: int) -> str:
    return decode(code, bits=bits).format(ip=ip)


def _from_event(event: Event) -> dict[str, Any]:
    item: dict[str, Any] = {"event": type(event).__name__.lower()}
    for attribute in fields(type(event)):
        value = getattr(event, attribute.name)
        item[attribute.name] = value.hex() if isinstance(value, bytes) else value
    return item


def _parse(number: int, line: str) -> list[Record]:
    if number > 1:
        return [from_json(line)]
    header = _loaded(line)
    found = header.get("schema"), header.get("version")
    if found != (SCHEMA, VERSION):
        raise WrongVersion(f"expected schema {SCHEMA!r} version {VERSION}, got {shortened(found)}")
    return []


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
        flags=_to_flags(item.get("flags", [])),
        describe=None if words is None else _said(str(words), item["value"]),
    )


def _said(words: str, of: int) -> Describe:
    """Tell what the file says of one value, and nothing of others."""
    return lambda offset, width, value: words if value == of else ""


def _to_instruction(item: dict[str, Any]) -> Instruction | None:
    if "code" not in item:
        return None
    code = bytes.fromhex(str(item["code"]))
    try:
        instruction = decode(code, bits=item.get("bits", 64))
    except (DecodeError, TypeError) as error:
        raise ValueError(f"code {item['code']!r}: {error}") from None
    if instruction.code != code:
        raise ValueError(f"code {item['code']!r} is longer than its instruction")
    return instruction


def _to_flags(names: Any) -> int:
    if not isinstance(names, list) or not all(isinstance(name, str) and name in _FLAGS for name in names):
        raise ValueError(f"flags: expected a list of {', '.join(_FLAGS)}, got {shortened(names)}")
    return sum(_FLAGS[name] for name in set(names))


def _to_event(item: dict[str, Any]) -> Event:
    kind: type[Event] = _choice(item, "event", _EVENTS)
    arguments: dict[str, Any] = {}
    for attribute in fields(kind):
        name = attribute.name
        if attribute.type is int:
            arguments[name] = _number(item, name)
        elif attribute.type is bytes:
            arguments[name] = bytes.fromhex(str(item.get(name)))
        elif attribute.type is str:
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
