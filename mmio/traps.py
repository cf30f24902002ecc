"""The traps one test sets: opened with the same words as `ioremap`, closed together, shown when the test fails."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from mmio.inprocess import Mapping, ioremap
from mmio.records.trace import Trace

SHOWN: Final = 20  # accesses of each trap in a failure report


class Traps:
    """Makes mappings: call it as you would call `ioremap`.

    `opened` is told each trace that appears. `closing` closes the mappings, the last first.
    """

    def __init__(self, opened: Callable[[Trace], None]) -> None:
        self.mappings: list[Mapping] = []
        self._opened = opened
        self._closing = ExitStack()

    def __call__(self, device: Any, length: int | None = None, **options: Any) -> Mapping:
        """Map a device into this process until the test is over; see `mmio.ioremap`."""
        mapping = self._closing.enter_context(ioremap(device, length, **options))
        if not any(mapping.trace is other.trace for other in self.mappings):
            self._opened(mapping.trace)
        self.mappings.append(mapping)
        return mapping

    def close(self) -> None:
        """Close every mapping. Raises what a device raised where it could come out of no call."""
        self._closing.close()

    def report(self) -> str:
        """Return the last accesses of every trace, as tables."""
        names: dict[int, tuple[Trace, list[str]]] = {}
        for mapping in self.mappings:
            names.setdefault(id(mapping.trace), (mapping.trace, []))[1].append(mapping.region.name)
        return "\n\n".join(_last(", ".join(regions), trace) for trace, regions in names.values())


def _last(names: str, trace: Trace) -> str:
    last = trace[-SHOWN:]
    hidden = f", the last {SHOWN}" if len(last) < len(trace) else ""
    return f"{names}: {len(trace):,} accesses{hidden}\n{last.table()}" if len(trace) else f"{names}: no accesses"
