"""Report of a trace: what is shown of it, and where it goes: a file, or a cell of a notebook."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from os import PathLike, fspath
from typing import Any, Final

from mmio.arguments import path as path_of
from mmio.arguments import shortened, text
from mmio.coverage.html import section
from mmio.device.device import Device
from mmio.formats.whole import replaced
from mmio.pictures.lanes import unit
from mmio.records.events import Loss, Started
from mmio.records.printable import printable
from mmio.reports.contents import Contents, notes
from mmio.reports.naming import Naming, ReportDevice, coverages, layouts
from mmio.reports.packing import differences, packed
from mmio.reports.page import framed, page
from mmio.traces.diff import COLUMNS, TraceDiff
from mmio.traces.naming import cut_of, locations
from mmio.traces.view import TraceView

MAX_INLINE: Final = 20_000  # accesses in a notebook, which keeps its cells' output in its file
MAX_DIFFERENCES: Final = 2_000  # rows


class HtmlReport:
    """A trace as one HTML page, for a browser.

    It has a timeline to zoom, a table to filter, the registers with their fields, what is covered of given devices, and
    the differences to another trace. The page is one file and loads nothing else.

    Args:
        trace: the accesses.
        devices: classes of devices, each with the name of its region.
        against: a trace to compare with.
        fold: in the comparison, polling longer is no difference.
        title: of the page.
        names: what the trace and the other are called in the comparison.

    Raises:
        TypeError: a device is no Device class.
        ValueError: a device has no region in the trace.
    """

    def __init__(
        self,
        trace: TraceView,
        *,
        devices: Sequence[ReportDevice] = (),
        against: TraceView | None = None,
        fold: bool = False,
        title: str = "Trace",
        names: tuple[str, str] = ("this trace", "the other"),
    ) -> None:
        self._trace = trace
        self.title = title
        self._coverages = coverages(devices, trace)
        self._layouts = layouts(devices, regions(trace)) if devices else {}
        self._diff = None if against is None else TraceDiff(trace, against, fold=fold)
        self._names = names

    def html(self, limit: int | None = None) -> str:
        """Return the page.

        Args:
            limit: how many accesses it has at most, the first ones; None for all.
        """
        shown = self._trace if limit is None or len(self._trace) <= limit else self._trace[:limit]
        columns = shown.columns()
        contents = Contents(columns, Naming(self._trace.regions, self._layouts), locations(self._trace))
        data, numbers = contents.parts()
        data["notes"] = notes(self._trace.events, columns.sequences)
        data["differences"] = self._differences()
        numbers = {"sequence": differences(columns.sequences)} | numbers | {"time": differences(columns.times)}
        sections = {"coverage": "".join(map(section, self._coverages))} if self._coverages else {}
        return page(self.title, self._facts(shown), sections, packed(data, numbers))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, as `TraceReport.save` describes."""
        target = path_of("path", path)
        with replaced(target) as unfinished:
            html = self.html()
            try:
                with open(unfinished, "w", encoding="utf-8") as file:
                    file.write(html)
            except OSError as error:  # of the file beside it, which is no name a reader knows
                raise OSError(error.errno, error.strerror, fspath(target)) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._trace):,} accesses>"

    def _repr_html_(self) -> str:
        return framed(self.html(MAX_INLINE), self.title)

    def _facts(self, shown: Sequence[Any]) -> Iterator[str]:
        trace = self._trace
        count = f"{len(trace):,} access{'es'[: 2 * (len(trace) != 1)]}"
        yield count if len(shown) == len(trace) else f"the first {len(shown):,} of {count}; save the report for all"
        if len(trace):
            length = trace[len(trace) - 1].time - trace[0].time
            scale, name = unit(max(length, 1))
            yield f"{length / scale:.3g} {name}"
        for event in trace.events:
            if isinstance(event, Started) and event.wall:
                yield f"recorded {datetime.fromtimestamp(event.wall / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
        lost = sum(event.count for event in trace.events if isinstance(event, Loss))
        if lost:
            yield f"{lost:,} accesses are missing"
        if (cut := cut_of(trace)) is not None:
            yield str(cut)

    def _differences(self) -> dict[str, Any] | None:
        """Return the rows of the comparison, and what it found in one line."""
        if self._diff is None:
            return None
        rows = list(islice(self._diff.rows(), MAX_DIFFERENCES + 1))
        mine, other = map(printable, self._names)
        return {
            "headline": self._diff.headline,
            "names": [mine, other],
            "columns": [column.title for column in COLUMNS],
            "rows": [list(map(printable, row)) for row in rows[:MAX_DIFFERENCES]],
            "more": len(rows) > MAX_DIFFERENCES,
            "same": self._diff.same,
        }


def regions(trace: TraceView) -> set[str]:
    """Return the names of the regions that a trace has accesses to."""
    columns = trace.columns()
    return {region for number in set(columns.spot_numbers) if (region := columns.spots[number].region)}


def report_of(
    trace: TraceView,
    device: type[Any] | Mapping[str, type[Any]] | None,
    *,
    against: TraceView | None,
    title: str,
) -> HtmlReport:
    """Return the report of a trace, as `TraceView.report` has it."""
    if isinstance(device, Mapping):
        devices = [ReportDevice(each, region) for region, each in device.items()]
    else:
        devices = [] if device is None else [ReportDevice(device)]
    for each, _ in devices:
        if not (isinstance(each, type) and issubclass(each, Device)):
            kinds = "a Device class, or several by the names of their regions"
            raise TypeError(f"device is {kinds}, not {shortened(each)}")
    if against is not None and not isinstance(against, TraceView):
        raise TypeError(f"against is a trace, as open_trace(path).load() returns, not {shortened(against)}")
    return HtmlReport(trace, devices=devices, against=against, title=text("title", title))
