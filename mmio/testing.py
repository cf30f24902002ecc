"""Mappings of one test: opened with the parameters of `ioremap`, closed together, shown when the test fails."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mmio.inprocess import Mapping, ioremap, map_ports
from mmio.inprocess.mapping import Ports
from mmio.traces.trace import Trace

if TYPE_CHECKING:
    from mmio.boards import Board
    from mmio.guests import Guest

P = TypeVar("P", bound="Ports | Board | Guest")

SHOWN: Final = 20  # accesses of each trap in a failure report


class Traps:
    """Makes mappings: call it as you would call `ioremap`; `ports` is `map_ports`.

    `opened` is told each trace that appears. `closing` closes the mappings, the last first.
    """

    def __init__(self, opened: Callable[[Trace], None]) -> None:
        self._opened = opened
        self._closing = ExitStack()
        self._traces: dict[int, tuple[Trace, list[str]]] = {}  # each trace, and the names of the regions in it

    def __call__(self, device: Any, length: int | None = None, **options: Any) -> Mapping:
        """Map a device into this process until the test is over; see `mmio.ioremap`."""
        return self._open(ioremap(device, length, **options), options.get("name") or type(device).__name__)

    def ports(self, port: int, count: int, device: Any, **options: Any) -> Ports:
        """Map a device at IO ports until the test is over; see `mmio.map_ports`."""
        return self._open(map_ports(port, count, device, **options), options.get("name") or type(device).__name__)

    def board(self, path: Any = None, **options: Any) -> "Board":
        """Map a chip until the test is over; see `mmio.board`."""
        from mmio.boards import board  # a test without a board need not load it

        return self._open(board(path, **options), "board" if path is None else Path(path).name)

    def guest(self, devices: Any, **options: Any) -> "Guest":
        """Run a kernel with device models as its cards, until the test is over; see `mmio.guest`.

        It begins with a snapshot, unless `snapshot=False` is given, or an option that goes with none.
        """
        from mmio.guests import guest

        snapshot = not options.get("kvm") and options.get("gdb") is None
        opened = guest(devices, **{"snapshot": snapshot} | options)
        return self._open(opened, ", ".join(card.name for card in opened.cards))

    def _open(self, opened: P, name: str) -> P:
        self._closing.enter_context(opened)
        trace = opened.trace
        if id(trace) not in self._traces:
            self._opened(trace)
        self._traces.setdefault(id(trace), (trace, []))[1].append(name)
        return opened

    @property
    def used(self) -> bool:
        """Return whether the test has set any."""
        return bool(self._traces)

    def close(self) -> None:
        """Close every mapping. Raises what a device raised where it could come out of no call."""
        self._closing.close()

    def report(self) -> str:
        """Return the last accesses of every trace, as tables."""
        return "\n\n".join(_last(", ".join(names), trace) for trace, names in self._traces.values())


def _last(names: str, trace: Trace) -> str:
    last = trace[-SHOWN:]
    hidden = f", the last {SHOWN}" if len(last) < len(trace) else ""
    return f"{names}: {len(trace):,} accesses{hidden}\n{last.table()}" if len(trace) else f"{names}: no accesses"
