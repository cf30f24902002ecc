"""Records as columns: what a Parquet writer gathers before it writes a group of rows.

A row is a number, a time and a value; everything else belongs to its spot, so each spot's cells are made once a batch
and looked up for all its rows at once.
"""

from array import array
from typing import Any, Final

from mmio.formats.jsonlines import instruction_text, layout_text, to_json
from mmio.records.access import LETTERS
from mmio.records.events import Event
from mmio.records.flags import flag_names
from mmio.records.spot import Spot

MAX_NUMBER: Final = 8  # bytes; wider values are binary
_NOTHING: Final = -1  # the spot of an event, and the words of a value without a description


def schema(pyarrow: Any) -> Any:
    """Return the table's columns: what JSON Lines says, in types."""
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    number, data = pyarrow.uint64(), pyarrow.binary()
    columns = (
        (number, "sequence time thread"),
        (word, "direction space"),
        (number, "address"),
        (pyarrow.uint32(), "width"),
        (number, "value old"),
        (data, "data old_data"),
        (word, "region"),
        (number, "offset"),
        (word, "register fields layout"),
        (number, "ip"),
        (data, "code"),
        (pyarrow.uint8(), "bits"),
        (word, "text"),
        (pyarrow.list_(pyarrow.string()), "flags"),
        (pyarrow.string(), "event"),
    )
    return pyarrow.schema([(name, kind) for kind, names in columns for name in names.split()])


class Batch:
    """Rows that are still to be written."""

    def __init__(self) -> None:
        self._sequences, self._times, self._values = array("Q"), array("Q"), array("Q")
        self._spot_of_row, self._words_of_row = array("i"), array("i")
        self._spots: dict[Spot, int] = {}
        self._words: dict[str, int] = {}
        # Columns with few cells, by row.
        self._rare: dict[str, dict[int, Any]] = {"old": {}, "data": {}, "old_data": {}, "event": {}}

    def __len__(self) -> int:
        return len(self._sequences)

    def add(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Append an access."""
        words = _unicode(spot.decoded(value))
        if spot.width > MAX_NUMBER or old is not None:
            value = self._put_aside(spot.width, value, old)
        self._sequences.append(sequence)
        self._times.append(time)
        self._values.append(value)
        self._spot_of_row.append(self._spots.setdefault(spot, len(self._spots)))
        self._words_of_row.append(self._words.setdefault(words, len(self._words)) if words else _NOTHING)

    def add_event(self, event: Event) -> None:
        """Append an event."""
        self._rare["event"][len(self)] = to_json(event)
        self._sequences.append(event.sequence)
        self._times.append(event.time)
        self._values.append(0)
        self._spot_of_row.append(_NOTHING)
        self._words_of_row.append(_NOTHING)

    def table(self, pyarrow: Any, schema: Any) -> Any:
        """Return the rows as a table."""
        spots = _looked_up(pyarrow, self._spot_of_row)
        cells = [_cells(spot) for spot in self._spots]
        columns = {
            "sequence": _numbers(pyarrow, self._sequences),
            "time": _numbers(pyarrow, self._times),
            "fields": pyarrow.array(list(self._words), pyarrow.string())
            .dictionary_encode()
            .take(_looked_up(pyarrow, self._words_of_row)),
        }
        for name, rare in self._rare.items():
            kind = schema.field(name).type
            columns[name] = (
                pyarrow.array(map(rare.get, range(len(self))), kind) if rare else pyarrow.nulls(len(self), kind)
            )
        columns["value"] = self._value_column(pyarrow)
        for field in schema:
            if field.name not in columns:
                columns[field.name] = pyarrow.array([cell.get(field.name) for cell in cells], field.type).take(spots)
        return pyarrow.table([columns[name] for name in schema.names], schema=schema)

    def _value_column(self, pyarrow: Any) -> Any:
        """Return the values; there is none where the row is an event or the value is binary."""
        absent = self._rare["data"].keys() | self._rare["event"].keys()
        if not absent:
            return _numbers(pyarrow, self._values)
        return pyarrow.array(
            (None if row in absent else value for row, value in enumerate(self._values)), pyarrow.uint64()
        )

    def _put_aside(self, width: int, value: int, old: int | None) -> int:
        """Note what the columns of every row do not hold; return what the value's does."""
        row = len(self)
        if width <= MAX_NUMBER:
            self._rare["old"][row] = old
            return value
        self._rare["data"][row] = value.to_bytes(width, "little")
        if old is not None:
            self._rare["old_data"][row] = old.to_bytes(width, "little")
        return 0


def _cells(spot: Spot) -> dict[str, Any]:
    """Return the cells that all rows of a spot share."""
    cells: dict[str, Any] = {
        "thread": spot.thread,
        "direction": LETTERS[spot.direction],
        "space": spot.space,
        "address": spot.address,
        "width": spot.width,
        "region": None if spot.region is None else _unicode(spot.region),
        "offset": spot.offset,
        "register": None if spot.register is None else _unicode(spot.register),
        "layout": _unicode(layout_text(spot.layout)) or None,
        "ip": spot.ip or None,
        "flags": list(flag_names(spot.flags)),
    }
    if spot.instruction is not None:
        code, bits, vendor = spot.instruction.code, spot.instruction.bits, spot.instruction.vendor
        cells |= {"code": code, "bits": bits, "text": instruction_text(code, bits, spot.ip, vendor)}
    return cells


def _unicode(text: str) -> str:
    """Return text without lone surrogates, which paths that are not UTF-8 have: Parquet has UTF-8 only."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _numbers(pyarrow: Any, numbers: "array[int]") -> Any:
    """Return a column over the numbers, without copying them."""
    return pyarrow.Array.from_buffers(pyarrow.uint64(), len(numbers), [None, pyarrow.py_buffer(numbers)])


def _looked_up(pyarrow: Any, indices: "array[int]") -> Any:
    """Return indices to take by, null where there is nothing."""
    plain = pyarrow.Array.from_buffers(pyarrow.int32(), len(indices), [None, pyarrow.py_buffer(indices)])
    if _NOTHING not in indices:
        return plain
    return pyarrow.array((None if index == _NOTHING else index for index in indices), pyarrow.int32())
