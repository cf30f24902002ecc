"""Operations on any sequence of accesses: recorded here, filtered, or read from a file.

A view is a list of numbers and a function that builds the access of a number. So a filtered trace of a million
records costs eight bytes a record, and no `Access` exists until it is looked at.
"""

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, NoReturn, overload

from decode import Direction
from mmio.arguments import shortened
from mmio.demand import called
from mmio.pictures.heatmap import heatmap
from mmio.pictures.notebook import notebook
from mmio.pictures.sparkline import sparkline
from mmio.pictures.table import Resolver, table
from mmio.pictures.timeline import draw
from mmio.pictures.widths import terminal_width
from mmio.records.access import Access
from mmio.records.events import Cut, Event, Record
from mmio.records.region import RecordedRegion
from mmio.traces.columns import Columns
from mmio.traces.diff import TraceDiff
from mmio.traces.known import Known
from mmio.traces.naming import cut_of, locations, names
from mmio.traces.packed import Packed
from mmio.traces.reported import TraceReport
from mmio.traces.rows import Rows
from mmio.traces.selection import Selection, place_or_access
from mmio.traces.summary import Group, Summary, Tallies

_to_arrow = called("mmio.formats.arrow:to_arrow")
_events_to_arrow = called("mmio.formats.arrow:events_to_arrow")
_arrow_schema = called("mmio.formats.arrow:accesses_schema")
_to_pandas = called("mmio.formats.arrow:to_pandas")
_to_polars = called("mmio.formats.arrow:to_polars")
_save = called("mmio.formats.registry:save_whole")
_report = called("mmio.reports.report:report_of")

PRINTED_ROWS = 40  # of a trace that is merely printed; table() shows all


if TYPE_CHECKING:
    _Accesses = Sequence[Access]
else:

    class _Accesses:
        """Methods of a sequence, but not its abstract base class.

        polars and pandas look for that class first. They would take a trace for a list of objects, and never ask for
        its Arrow stream.
        """

        __contains__, __reversed__ = Sequence.__contains__, Sequence.__reversed__
        index, count = Sequence.index, Sequence.count


class TraceView(_Accesses):
    """Accesses in the order they happened, with the events between them.

    Two views are equal when their accesses are; events and names given to values do not count. `TraceView.of` makes one
    of any accesses.

    Args:
        access_at: returns the access with a sequence number.
        numbers: the sequence numbers of the accesses in view, in order.
        events: the events between them, in order.
        regions: the regions of the accesses, which know the names of all registers; none for those of a file.
    """

    def __init__(
        self,
        access_at: Callable[[int], Access],
        numbers: Sequence[int],
        events: Sequence[Event] = (),
        regions: Sequence[RecordedRegion] = (),
    ) -> None:
        self._fixed = access_at, numbers
        self._events = list(events)
        self._known_regions = tuple(regions)

    @property
    def events(self) -> Sequence[Event]:
        """The events between the accesses, in order."""
        return self._events

    @property
    def regions(self) -> Sequence[RecordedRegion]:
        """The regions of the accesses recorded here; those of a file have only names, and are not among them."""
        return self._known_regions

    @property
    def cut(self) -> Cut | None:
        """The event that says that the trace was cut, as a file is whose writer was killed; None if it is whole."""
        return cut_of(self)

    def _groups(self) -> Iterable[Group]:
        """The accesses, those that are alike in groups if that is less work."""
        return ((access, access, 1) for access in self)

    def _source(self) -> tuple[Callable[[int], Access], Sequence[int]]:
        """Return what builds the access of a number, and the numbers of this view."""
        return self._fixed

    @classmethod
    def of(cls, records: Iterable[Record]) -> "TraceView":
        """Return a view of given accesses and events, such as a reader's."""
        accesses = Packed()
        events: list[Event] = []
        for record in records:
            if isinstance(record, Access):
                accesses.append(record)
            elif isinstance(record, Event):
                events.append(record)
            else:
                raise TypeError(f"expected accesses and events, as open_trace(path).records() gives, got {record!r}")
        return TraceView(accesses, range(len(accesses)), events)

    def __len__(self) -> int:
        return len(self._source()[1])

    @overload
    def __getitem__(self, index: int) -> Access: ...
    @overload
    def __getitem__(self, index: slice) -> "TraceView": ...
    def __getitem__(self, index: int | slice) -> "Access | TraceView":
        access_at, numbers = self._source()
        if isinstance(index, slice):
            return TraceView(access_at, numbers[index], self.events, self.regions)
        return access_at(numbers[index])

    def __iter__(self) -> Iterator[Access]:
        return map(*self._source())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TraceView):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=False))

    def records(self) -> Iterator[Record]:
        """Iterate over accesses and events, each event before the access it came before."""
        events = iter(self.events)
        event = next(events, None)
        for access in self:
            while event is not None and event.sequence <= access.sequence:
                yield event
                event = next(events, None)
            yield access
        if event is not None:
            yield event
            yield from events

    def filter(
        self,
        *wanted: str,
        region: Any = None,
        register: Any = None,
        offset: Any = None,
        width: Any = None,
        direction: Direction | str | None = None,
        ip: Any = None,
        value: Any = None,
        address: Any = None,
        space: Any = None,
        thread: Any = None,
        since: int | None = None,
        until: int | None = None,
        predicate: Callable[[Access], object] | None = None,
    ) -> "TraceView":
        """Return the accesses for which everything given holds.

        An attribute is compared with the value given, or looked up in it if it is a range, set, tuple or list:
        `filter(region="timer", offset=range(0x10, 0x20), width={1, 2})`. A direction is "R", "W" or "RW" (an atomic is
        all three), or `decode.READ` and so on. What is `wanted` is in words, of which any may hold: an access as
        `assert_accesses` takes it, such as "W CTRL.UP=1", or a place such as "uart.TX*". More of this is in
        `Selection`. Events are kept: without them the rest could not be read.

        Raises:
            ValueError: a word is none, or no device of the trace has a region, register or field of such a name.
            TypeError: a value is of a wrong kind.
        """
        return self.select(
            Selection(
                only=tuple(place_or_access(words, lambda: Known.of(self)) for words in wanted),
                region=region,
                register=register,
                offset=offset,
                width=width,
                direction=direction,
                ip=ip,
                value=value,
                address=address,
                space=space,
                thread=thread,
                since=since,
                until=until,
            ),
            predicate,
        )

    def select(self, selection: Selection, predicate: Callable[[Access], object] | None = None) -> "TraceView":
        """Return the accesses that a selection wants and for which a predicate holds, and all events.

        Raises:
            ValueError: the selection is of code by name, and the trace does not say where its instructions are; or of
                a region, register or field that the devices of the trace have not got.
            TypeError: the predicate cannot be called.
        """
        if predicate is not None and not callable(predicate):
            raise TypeError(f"predicate is a function that takes an access, not {shortened(predicate)}")
        known = locations(self)
        wanted = selection.located(known.get).matches if known else selection.matches
        access_at, numbers = self._source()
        passing = (n for n in numbers if wanted(access := access_at(n)) and (predicate is None or predicate(access)))
        chosen = TraceView(access_at, array("Q", passing), self.events, self.regions)
        if not chosen:
            selection.check_names(lambda: Known.of(self))
        return chosen

    @property
    def rows(self) -> Sequence[dict[str, Any]]:
        """The accesses as dicts of plain values, each made when it is looked at: for csv or `pandas.DataFrame`."""
        return Rows(self)

    def columns(self) -> Columns:
        """Return the accesses as columns, without building an `Access` for each where there are packed rows."""
        store, numbers = self._source()
        columns: Callable[[Sequence[int]], Columns] | None = getattr(store, "columns", None)
        return Columns.of(self) if columns is None else columns(numbers)

    def to_arrow(self) -> Any:
        """Return the accesses as a `pyarrow.Table`, with the columns of a Parquet file (docs/formats.md).

        Raises:
            ImportError: pyarrow is missing; the message says how to get it.
        """
        return _to_arrow(self)

    def events_to_arrow(self) -> Any:
        """Return the events as a `pyarrow.Table`: a column for each attribute that any has.

        Raises:
            ImportError: pyarrow is missing; the message says how to get it.
        """
        return _events_to_arrow(self.events)

    def to_pandas(self) -> Any:
        """Return the accesses as a `pandas.DataFrame`, with the columns of `to_arrow` and integers that can be missing.

        Raises:
            ImportError: pyarrow or pandas is missing; the message says how to get it.
        """
        return _to_pandas(self)

    def to_polars(self) -> Any:
        """Return the accesses as a `polars.DataFrame`, with the columns of `to_arrow`.

        Raises:
            ImportError: pyarrow or polars is missing; the message says how to get it.
        """
        return _to_polars(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand the accesses to DuckDB, polars or whatever else knows the Arrow PyCapsule interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """Hand the columns' types to a reader of the stream, which would otherwise ask for the accesses to see them."""
        return _arrow_schema().__arrow_c_schema__()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Say what to call where a library takes the trace for an array, as pandas and numpy do."""
        raise TypeError(
            "a trace is no array of numbers: for a data frame use trace.to_pandas(), or pandas.DataFrame(trace.rows)"
        )

    def save(self, path: str | PathLike[str], **options: Any) -> None:
        """Write the trace to a file, whole or not at all; its suffix chooses the format.

        Args:
            path: of the file, which is replaced.
            options: as for `mmio.writer`, such as `format="jsonlines"`.

        Raises:
            ValueError: the suffix is of no format.
            TraceFileError: another writer is writing the file, or the disk is full.
        """
        _save(self, path, **options)

    def summary(self) -> Summary:
        """Count reads, writes, widths, values and instruction pointers for each register."""
        return Tallies(self._groups()).summary(names(self))

    def table(self, *, limit: int | None = None, fold: bool = False, resolve: Resolver | None = None) -> str:
        """Return the accesses as aligned text.

        `limit`: rows at most. `fold`: show a poll loop as one row for each of its accesses. `resolve` names
        instruction pointers, such as `mmio.Symbols()`; without it they have the names the trace knows.
        """
        return table(self, limit=limit, fold=fold, resolve=resolve or names(self))

    def timeline(self, path: str | PathLike[str]) -> None:
        """Draw the accesses to a PNG, SVG or PDF file: a lane for each register, time from left to right.

        Raises:
            ImportError: matplotlib is missing; the message says how to get it.
            ValueError: there are no accesses.
        """
        draw(self, path)

    def heatmap(self, path: str | PathLike[str]) -> None:
        """Draw the accesses of one region to a PNG, SVG or PDF file: offset by time, reads and writes apart.

        Raises:
            ImportError: matplotlib is missing; the message says how to get it.
            ValueError: there are no accesses, or they are of several regions.
        """
        heatmap(self, path)

    def sparkline(self) -> str:
        """Return a timeline for the terminal: a row of bars for the reads and for the writes of each register."""
        return sparkline(self)

    def diff(self, other: Sequence[Access], *, fold: bool = False) -> TraceDiff:
        """Compare with another trace, by what was done to which register; print the result.

        `fold`: reads of a register that follow each other and find the same value are one, so that polling longer is
        no difference.
        """
        return TraceDiff(self, other, fold=fold)

    def report(
        self,
        device: type[Any] | Mapping[str, type[Any]] | None = None,
        *,
        against: "TraceView | None" = None,
        title: str = "Trace",
    ) -> TraceReport:
        """Return the trace as one HTML page: a timeline to zoom, a table to filter, the registers with their fields.

        A notebook shows it in the cell, with the first accesses of a long trace; `trace.report().save("run.html")`
        writes all of them to a file that needs no network.

        Args:
            device: a Device class, or several by the names of their regions. They name the registers of a trace that
                does not, as a log of Linux's mmiotrace, and the page has what is covered of them.
            against: another trace; the page has what differs.
            title: of the page.

        Raises:
            TypeError: `device` is no Device class, or `against` no trace.
            ValueError: the trace has no region of a device.
        """
        report: TraceReport = _report(self, device, against=against, title=title)
        return report

    def __str__(self) -> str:
        """Return the first accesses as a table, no wider than the terminal where standard output is one."""
        return table(self, limit=PRINTED_ROWS, resolve=names(self), width=terminal_width(sys.stdout))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self):,} accesses>"

    def _repr_html_(self) -> str:
        return notebook(self, locations(self), PRINTED_ROWS)
