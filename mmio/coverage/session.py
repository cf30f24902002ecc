"""Coverage of one run of a test suite, in one process or in several workers."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmio.coverage.device import DeviceCoverage, combined
from mmio.coverage.live import Collector, no_such
from mmio.coverage.reports import parse, save


class SessionCoverage:
    """Collects, combines and reports.

    Args:
        names: of the classes, as `Collector` takes them.
        reports: wishes such as "html:PATH"; "term" when there are none.
        least: percent that each device must reach, None for any.
        omit: patterns of registers that have no points.
        merge: each array, and equal blocks, count as one.

    Attributes:
        lines: what is to be printed, once it is finished.
        problems: why the run fails.

    Raises:
        ValueError: a name, a report or the percentage makes no sense.
    """

    def __init__(
        self,
        names: Iterable[str],
        reports: Iterable[str],
        least: float | None,
        omit: Iterable[str] = (),
        merge: bool = False,
    ) -> None:
        self._merge = merge
        self._omit = list(dict.fromkeys(omit))
        self._omitted: set[str] = set()
        self._collector = Collector(names, self._omit)
        self._names = list(dict.fromkeys(names))
        self._reports = [parse(report) for report in reports] or [("term", None)]
        if least is not None and not 0 <= least <= 100:
            raise ValueError(f"expected a percentage to fail under, 0..100, got {least:g}")
        self._least = least
        self._found: list[DeviceCoverage] = []
        self._known: set[str] = set()
        self._named: set[str] = set()
        self.lines: list[str] = []
        self.problems: list[str] = []

    def start(self) -> None:
        """Collect in this process from now on."""
        self._collector.__enter__()

    def stop(self) -> None:
        """Collect no more."""
        self._collector.close()

    def to_dict(self) -> dict[str, Any]:
        """Return what this process has found, for `take` in another."""
        return {
            "devices": {name: coverage.to_dict() for name, coverage in self._collector.by_name().items()},
            "problems": self._collector.wrong(),
            "known": self._collector.known(),
            "omitted": sorted(self._collector.omitted),
        }

    def take(self, data: Mapping[str, Any] | None, worker: str) -> None:
        """Add what a worker has found.

        Args:
            data: as of `to_dict`; None when the worker has sent nothing, because it died.
            worker: its name.
        """
        if data is None:
            self.problems.append(f"worker {worker} ended without saying what it has covered")
            return
        self._named.update(data["devices"])
        self._found += [DeviceCoverage.from_dict(each) for each in data["devices"].values()]
        self.problems += [problem for problem in data["problems"].values() if problem not in self.problems]
        self._named.update(data["problems"])
        self._known.update(data["known"])
        self._omitted.update(data["omitted"])

    def finish(self) -> bool:
        """Report, and return whether all is well."""
        self.take(self.to_dict(), "")
        self.problems += [no_such(name, self._known) for name in self._names if name not in self._named]
        if self._found:
            missing = [pattern for pattern in self._omit if pattern not in self._omitted]
            self.problems += [f"no device has a register {pattern!r} to omit" for pattern in missing]
        try:
            self._found = [each.merged() if self._merge else each for each in combined(self._found)]
        except ValueError as error:
            self.problems.append(str(error))
            return False
        for form, path in self._reports:
            if path is None:
                for coverage in self._found:
                    self.lines += [*str(coverage).splitlines(), ""]
                continue
            try:
                save(self._found, path, form)
                self.lines.append(f"{form} written to {path}")
            except OSError as error:
                self.problems.append(f"{path}: {error.strerror or error}")
        for coverage in self._found:
            if self._least is not None and coverage.percent < self._least:
                self.problems.append(f"{coverage.name}: {coverage.total} covered, less than {self._least:g} %")
        return not self.problems
