"""Find the pages of range targets that are not trapped yet.

Where a program has something mapped, that is trapped. Where it has nothing, there is something to trap only for a
device, which answers all the same: see `reserved_pages.py`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mmio.errors import MappingError
from mmio.linux.libc import PAGE, pages
from mmio.linux.proc_maps import Mapping, mappings
from mmio.program.memory import NothingMapped
from mmio.program.process import Process
from mmio.program.targets import RangeTarget, merged

_END: Final = 1 << 64
_VDSO: Final = "[vdso]"
_INACCESSIBLE: Final = "---p"


class Untrapped(NamedTuple):
    """Pages that range targets have, and that are not trapped.

    Attributes:
        start, end: the addresses.
        mapping: what the program has there; None when it is nothing.
    """

    start: int
    end: int
    mapping: Mapping | None


def next_untrapped(process: Process, pid: int) -> Untrapped | None:
    """Return the first pages that are yet to be trapped, None when there are none; `pid` is of a living thread.

    Raises:
        MappingError: a device cannot answer at its addresses in this program.
    """
    targets = process.targets
    if not targets.ranges:
        return None
    devices = [target for target in targets.fixed_devices if _is_reachable(target, process)]
    of_devices, of_all = _page_runs(devices), _page_runs(targets.ranges)
    for start, end, mapping in _stretches(pid):
        if mapping is not None and mapping.path == _VDSO:
            _check_vdso(devices, mapping)
            continue
        for first, last in of_devices if mapping is None else of_all:
            found = _first_left(process, max(first, start), min(last, end), mapping)
            if found is not None:
                return Untrapped(*found, mapping)
    return None


def _is_reachable(target: RangeTarget, process: Process) -> bool:
    """Return whether code of a program can get to a device. It need not in every program that another one executes."""
    if target.end <= 1 << process.bits:
        return True
    if target not in process.targets.matched:
        raise MappingError(
            f"a device cannot answer at {target} of a {process.bits}-bit program, whose addresses end at "
            f"{(1 << process.bits) - 1:#x}"
        )
    return False


def _check_vdso(devices: list[RangeTarget], vdso: Mapping) -> None:
    for target in devices:
        if target.start < vdso.end and vdso.start < target.end:
            raise MappingError(
                f"a device cannot answer at {target}: the kernel has code at {vdso.start:#x}..{vdso.end:#x} ({_VDSO}) "
                f"that the program and pagetrap need; name less"
            )


def _page_runs(targets: list[RangeTarget]) -> list[tuple[int, int]]:
    return merged((target.start // PAGE * PAGE, pages(target.end)) for target in targets)


def _stretches(pid: int) -> Iterator[tuple[int, int, Mapping | None]]:
    """Yield all addresses in order, cut into what is mapped and what is not."""
    at = 0
    for mapping in mappings(pid):
        yield at, mapping.start, None
        yield mapping.start, mapping.end, mapping
        at = mapping.end
    yield at, _END, None


def _first_left(process: Process, start: int, end: int, mapping: Mapping | None) -> tuple[int, int] | None:
    """Return the first part of some pages that is not trapped as what it is, or not reserved any more."""
    for trapped in sorted(process.trapped_in(start, end), key=lambda trapped: trapped.start):
        if start < trapped.start:
            return start, trapped.start
        stop = min(end, trapped.end)
        if isinstance(trapped.source, NothingMapped):
            if mapping is None:
                for lost in process.reserved_in(start, stop):
                    return lost
            elif mapping.permissions != _INACCESSIBLE:  # so it is not what reserves the pages
                return start, stop
        start = stop
    return (start, end) if start < end else None
