"""Convert traces to Arrow tables and back, for data frames, DuckDB and Parquet files.

A row is a number, a time and a value; everything else belongs to its spot, so each spot's cells are made once and
looked up for all its rows at once. What is no access is in a table of its own.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import NOTHING, evolve, fields

from decode import Instruction, decode
from mmio.arguments import shortened
from mmio.formats.jsonlines import described_as, event_from, flags_from, instruction_text, layout_from, layout_text
from mmio.records.access import LETTERS, Access, Space
from mmio.records.events import Event
from mmio.records.flags import flag_names
from mmio.records.spot import Remembered, Spot
from mmio.traces.columns import Columns
from mmio.traces.view import TraceView

MAX_NUMBER: Final = 8  # bytes; wider values are binary
EVENT_KINDS: Final[tuple[type[Event], ...]] = Event.__args__
_END: Final = 1 << 64  # the length of a region that is the whole space, null in its column
_DIRECTIONS: Final = {letter: direction for direction, letter in LETTERS.items()}


def needed(what: str = "a table of a trace") -> Any:
    """Return pyarrow.

    Args:
        what: what needs it, for the error.

    Raises:
        ImportError: it is missing.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        reason = f"{what} needs pyarrow: pip install 'pagetrap[parquet]'"
        raise ImportError(reason, name=error.name) from error
    return pyarrow


def schema(pyarrow: Any) -> Any:
    """Return the columns of accesses: what JSON Lines says, in types."""
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
        (word, "text vendor"),
        (pyarrow.list_(pyarrow.string()), "flags"),
    )
    return pyarrow.schema([(name, kind) for kind, names in columns for name in names.split()])


def accesses_schema() -> Any:
    """Return the columns of accesses as a `pyarrow.Schema`. Raises ImportError if pyarrow is missing."""
    return schema(needed())


def events_schema(pyarrow: Any) -> Any:
    """Return the columns of events: `event`, and one for each attribute that any of them has."""
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {int: pyarrow.uint64(), str: pyarrow.string(), bytes: pyarrow.binary(), Space: word}
    columns: dict[str, Any] = {"sequence": pyarrow.uint64(), "time": pyarrow.uint64(), "event": word}
    for kind in EVENT_KINDS:
        for attribute in fields(kind):
            columns.setdefault(attribute.name, kinds.get(attribute.type, pyarrow.list_(pyarrow.uint64())))
    return pyarrow.schema(list(columns.items()))


def to_arrow(view: TraceView) -> Any:
    """Return the accesses of a trace as a `pyarrow.Table`. Raises ImportError if pyarrow is missing."""
    pyarrow = needed()
    return table(pyarrow, view.columns())


def events_to_arrow(events: Iterable[Event]) -> Any:
    """Return events as a `pyarrow.Table`. Raises ImportError if pyarrow is missing."""
    pyarrow = needed()
    columns = events_schema(pyarrow)
    rows = [{"event": type(event).__name__.lower(), **_attributes(event)} for event in events]
    return pyarrow.Table.from_pylist(rows, schema=columns)


def to_pandas(view: TraceView) -> Any:
    """Return the accesses as a pandas.DataFrame, with types that have a missing value. Raises ImportError."""
    arrow = to_arrow(view)
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas() needs pandas: pip install 'pagetrap[data]'", name=error.name) from error
    pyarrow = needed()
    # Without a type of its own a column with a null becomes floating point, and loses its lowest bits.
    kinds = {pyarrow.uint64(): pandas.UInt64Dtype(), pyarrow.uint8(): pandas.UInt8Dtype()}
    return arrow.to_pandas(types_mapper=kinds.get)


def to_polars(view: TraceView) -> Any:
    """Return the accesses as a polars.DataFrame. Raises ImportError."""
    arrow = to_arrow(view)
    try:
        import polars
    except ImportError as error:
        raise ImportError("to_polars() needs polars: pip install 'pagetrap[data]'", name=error.name) from error
    return polars.from_arrow(arrow)


def table(pyarrow: Any, columns: Columns) -> Any:
    """Return columns as a table."""
    compute = pyarrow.compute
    kinds = schema(pyarrow)
    count = len(columns)
    spots = _over(pyarrow, columns.spot_numbers, pyarrow.int32())
    times = _over(pyarrow, columns.times, pyarrow.uint64())
    if columns.began:
        times = compute.subtract(times, pyarrow.scalar(columns.began, pyarrow.uint64()))
    rare = _rare(columns)
    made = {
        "sequence": _over(pyarrow, columns.sequences, pyarrow.uint64()),
        "time": times,
        "value": _values(pyarrow, columns, rare["data"]),
        "fields": _fields(pyarrow, columns, spots),
    }
    for name, cells in rare.items():
        kind = kinds.field(name).type
        made[name] = pyarrow.array(map(cells.get, range(count)), kind) if cells else pyarrow.nulls(count, kind)
    shared = [_cells(spot) for spot in columns.spots]
    for field in kinds:
        if field.name not in made:
            made[field.name] = pyarrow.array([cells.get(field.name) for cells in shared], field.type).take(spots)
    return pyarrow.table([made[name] for name in kinds.names], schema=kinds)


def accesses(table: Any) -> Iterator[Access]:
    """Iterate over the accesses of a table with these columns; of an older one, too.

    Raises:
        ValueError: the table has not got the columns, or what is in them is no access.
    """
    pyarrow = needed()
    kinds = schema(pyarrow)
    if missing := {"sequence", "time", "direction", "address", "width", "value"} - set(table.column_names):
        raise ValueError(f"it has no column {', '.join(sorted(missing))}, so it is not a table of accesses")
    names = [name for name in kinds.names if name not in _BY_ROW and name in table.column_names]
    spots: Remembered[tuple[Any, ...], Spot] = Remembered(lambda key: _spot(dict(zip(names, key, strict=True))))
    described: Remembered[tuple[Any, ...], Spot] = Remembered(
        lambda key: evolve(spots[key[0]], describe=described_as(key[1], key[2]))
    )
    for batch in table.select([name for name in kinds.names if name in table.column_names]).to_batches():
        cells = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        nothing = [None] * len(batch)
        cells["flags"] = [tuple(flags or ()) for flags in cells.get("flags", nothing)]
        shared = zip(*(cells[name] for name in names), strict=True)
        own = zip(*(cells.get(name, nothing) for name in _BY_ROW), strict=True)
        for key, (sequence, time, value, old, data, old_data, words) in zip(shared, own, strict=True):
            if key[names.index("direction")] is None:
                continue  # an event, as files had them before they had a place of their own
            spot = spots[key]
            value = value if data is None else int.from_bytes(data, "little")
            old = old if old_data is None else int.from_bytes(old_data, "little")
            if value is None:
                raise ValueError(f"access {sequence} has no value")
            if words is not None and spot.describe is None:
                spot = described[key, words, value]
            yield spot.access(sequence, time, value, old)


def events(table: Any) -> list[Event]:
    """Return the events of a table that `events_to_arrow` made. Raises ValueError if one is none."""
    return [event_from(_item(row)) for row in table.to_pylist()]


def from_arrow(table: Any, events: Sequence[Event] = ()) -> TraceView:
    """Return the trace of a table of accesses, and of events.

    Args:
        table: a `pyarrow.Table` with the columns of `Trace.to_arrow`, or anything else that Arrow can read.
        events: what was between them, in order.

    Raises:
        ImportError: pyarrow is missing.
        TypeError: Arrow can make no table of it.
        ValueError: it is no table of accesses.
    """
    pyarrow = needed()
    if not isinstance(table, pyarrow.Table):
        try:
            table = pyarrow.table(table)
        except TypeError:
            problem = "a table is a pyarrow.Table, or a data frame or what else Arrow can read"
            raise TypeError(f"{problem}, not {shortened(table)}") from None
    return TraceView.of([*events, *accesses(table)])


_BY_ROW: Final = ("sequence", "time", "value", "old", "data", "old_data", "fields")


def _spot(cells: dict[str, Any]) -> Spot:
    instruction: Instruction | None = None
    if cells.get("code") is not None:
        instruction = decode(cells["code"], bits=cells.get("bits") or 64, vendor=cells.get("vendor") or "intel")
    return Spot(
        cells.get("thread") or 0,
        _DIRECTIONS[cells["direction"]],
        cells.get("space") or "memory",
        cells["address"],
        cells["width"],
        cells.get("ip") or 0,
        instruction,
        cells.get("region"),
        cells.get("offset"),
        cells.get("register"),
        flags_from(list(cells.get("flags") or ())),
        None,
        layout_from(cells.get("layout") or ""),
    )


def _attributes(event: Event) -> dict[str, Any]:
    values = {attribute.name: getattr(event, attribute.name) for attribute in fields(type(event))}
    return {name: None if value == _END else value for name, value in values.items()}


def _item(row: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object of an event's row."""
    kind = next((kind for kind in EVENT_KINDS if kind.__name__.lower() == row.get("event")), None)
    if kind is None:
        raise ValueError(f"event: expected one of {', '.join(k.__name__.lower() for k in EVENT_KINDS)}")
    item: dict[str, Any] = {"event": row["event"]}
    for attribute in fields(kind):
        value = row.get(attribute.name)
        if value is None and attribute.name == "length":
            value = _END
        if value is not None or attribute.default is NOTHING:
            item[attribute.name] = value.hex() if isinstance(value, bytes) else value
    return item


def _rare(columns: Columns) -> dict[str, dict[int, Any]]:
    """Return the columns with few cells, by row."""
    rare: dict[str, dict[int, Any]] = {"old": {}, "data": {}, "old_data": {}}
    widths = [spot.width for spot in columns.spots]
    for row, (value, old) in columns.wide.items():
        width = widths[columns.spot_numbers[row]]
        if width <= MAX_NUMBER:
            rare["old"][row] = old
        else:
            rare["data"][row] = value.to_bytes(width, "little")
            if old is not None:
                rare["old_data"][row] = old.to_bytes(width, "little")
    large = {number for number, width in enumerate(widths) if width > MAX_NUMBER}
    if large:
        for row, number in enumerate(columns.spot_numbers):
            if number in large and row not in rare["data"]:
                rare["data"][row] = columns.values[row].to_bytes(widths[number], "little")
    return rare


def _values(pyarrow: Any, columns: Columns, binary: dict[int, bytes]) -> Any:
    """Return the values; there is none where the value is binary."""
    values = _over(pyarrow, columns.values, pyarrow.uint64())
    if not binary:
        return values
    there = pyarrow.array([row not in binary for row in range(len(columns))], pyarrow.bool_())
    return pyarrow.compute.if_else(there, values, pyarrow.scalar(None, pyarrow.uint64()))


def _fields(pyarrow: Any, columns: Columns, spots: Any) -> Any:
    """Return what the values mean: asked once for each value that a spot has."""
    kind = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    if all(spot.describe is None for spot in columns.spots):
        return pyarrow.nulls(len(columns), kind)
    values = _over(pyarrow, columns.values, pyarrow.uint64()).dictionary_encode()
    compute, number = pyarrow.compute, pyarrow.int64()
    count = max(len(values.dictionary), 1)
    pairs = compute.add(compute.multiply(spots.cast(number), count), values.indices.cast(number)).dictionary_encode()
    known = values.dictionary.to_pylist()
    texts = [
        _unicode(columns.spots[pair // count].decoded(known[pair % count])) or None
        for pair in pairs.dictionary.to_pylist()
    ]
    words = pyarrow.array(texts, pyarrow.string()).dictionary_encode().take(pairs.indices)
    wide = {row: value for row, (value, _) in columns.wide.items() if value > (1 << 64) - 1}
    if not wide:
        return words
    told = words.to_pylist()
    for row, value in wide.items():
        told[row] = _unicode(columns.spots[columns.spot_numbers[row]].decoded(value)) or None
    return pyarrow.array(told, kind)


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
        cells["vendor"] = None if vendor == "intel" else vendor
    return cells


def _unicode(text: str) -> str:
    """Return text without lone surrogates, which paths that are not UTF-8 have: Arrow has UTF-8 only."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _over(pyarrow: Any, numbers: "array[int]", kind: Any) -> Any:
    """Return a column over the numbers, without copying them."""
    return pyarrow.Array.from_buffers(kind, len(numbers), [None, pyarrow.py_buffer(numbers)])
