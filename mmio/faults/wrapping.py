"""Apply faults to devices: before they are mapped, afterwards, and on the peripherals of a board."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any, TypeAlias

from mmio.arguments import shortened, text
from mmio.device.clock import Clock
from mmio.faults.errors import FaultError
from mmio.faults.fault import Fault, Schedule
from mmio.faults.faulty import Faulty
from mmio.faults.grammar import parse
from mmio.pci.function import PciFunction
from mmio.space.region import answering

Faults: TypeAlias = str | Fault | Schedule | Iterable[str | Fault]
"""A schedule, a fault, a line, or several of them."""


def schedule_of(given: Faults) -> Schedule:
    """Return what is given as a schedule.

    Args:
        given: a schedule, faults or lines.

    Raises:
        FaultError: a line is no fault.
        TypeError: something is of another kind.
    """
    if isinstance(given, Schedule):
        return given
    if isinstance(given, str | Fault):
        given = [given]
    if not isinstance(given, Iterable):
        raise TypeError(f"faults are lines, such as 'SR stuck TXE=0', or a Schedule, not {shortened(given)}")
    return sum((Schedule((each,)) if isinstance(each, Fault) else parse(each) for each in given), Schedule())


def wrap(
    device: Any, faults: Faults, *, name: str | None = None, registers: Any = None, clock: Clock | None = None
) -> Faulty:
    """Return a device that is another one with faults; map that one instead.

        with mmio.faults.wrap(Uart(), "LSR stuck THRE=0 after 3 reads") as uart, mmio.ioremap(uart) as mapping:
            …

    The device itself stays as it is, but for what happens to its lines and its `reset` until this is closed. At the
    end, faults that have never happened are told in a `FaultWarning`.

    Args:
        device: any device.
        faults: lines, or a schedule.
        name: of the device, which places may begin with; its class when left out.
        registers: what has the registers and lines that places name, if that is not the device itself.
        clock: the time; the device's own when left out.

    Raises:
        FaultError: a line is no fault, or names what the device has not.
        TypeError: an argument is of a wrong kind.
    """
    answering(device)
    if clock is not None and not isinstance(clock, Clock):
        raise TypeError(f"clock is a Clock, not {shortened(clock)}")
    return Faulty(device, schedule_of(faults), None if name is None else text("name", name), registers, clock)


@contextmanager
def inject(target: Any, faults: Faults, *, clock: Clock | None = None, warn: bool = True) -> Iterator[list[Faulty]]:
    """Give a device that is mapped already its faults for a while; the statement's end takes them away.

        with mmio.faults.inject(mapping, "LSR stuck THRE=0"):
            …
        with mmio.faults.inject(board, "USART2.SR stuck TXE=0 after 3 reads"):
            …

    Args:
        target: a mapping, ports, a board, whose peripherals are named at the beginning of each line, or a PCI function,
            such as a card of a guest.
        faults: lines, or a schedule.
        clock: the time, of a device without a clock.
        warn: whether to tell of faults that have never happened, at the end.

    Yields:
        The devices with faults, in the order they are first named.

    Raises:
        FaultError: a line is no fault, or names what is not there.
        TypeError: the target is neither.
    """
    schedule = schedule_of(faults)
    if isinstance(target, PciFunction):
        with ExitStack() as ending:
            yield _behind_bars(ending, target, schedule, clock, warn)
        return
    space = getattr(target, "space", None)
    regions = [getattr(target, "region", None), *getattr(target, "_regions", ())]  # of ports there is no public one
    region = next((region for region in regions if region is not None), None)
    if space is None or not (region is not None or hasattr(target, "peripherals")):
        raise TypeError(
            f"faults are injected into a mapping, a board or a card, not {shortened(target)}; wrap() takes a device"
        )
    with ExitStack() as ending:
        made: list[Faulty] = []
        if region is not None:
            made.append(_exchange(ending, space, region, None, region.names, schedule, clock, warn))
        else:
            for name, own in by_device(schedule, target.peripherals).items():
                device = target[name]  # made now, if it has not been
                mapping = target._mappings.get(name)
                if mapping is None or target._windows.get(name):
                    raise FaultError(f"{name} lies among the registers of another peripheral, and cannot have faults")
                made.append(_exchange(ending, space, mapping.region, name, device, own, clock or target.clock, warn))
        yield made


def _behind_bars(
    ending: ExitStack, function: PciFunction, schedule: Schedule, clock: Clock | None, warn: bool
) -> list[Faulty]:
    """Put faults in front of the devices in a function's regions; one device may be in several."""
    devices = {bar.title: bar.device for bar in function.bars.values() if bar.device is not None}
    made = []
    for name, own in by_device(schedule, devices).items():
        faulty = Faulty(devices[name], own, name, None, clock)
        ending.push(lambda kind, error, traceback, faulty=faulty: faulty.close(warn=warn and kind is None))
        for index, bar in function.bars.items():
            if bar.device is devices[name]:
                window = function.bar(index)
                ending.callback(window.exchange, window.device)
                window.exchange(faulty)
        made.append(faulty)
    return made


def by_device(schedule: Schedule, names: Iterable[str]) -> Mapping[str, Schedule]:
    """Return the faults of each device, by the name that their places begin with; the longest that fits.

    Args:
        schedule: the faults.
        names: of the devices. Where there is one, its faults need no name in front.

    Raises:
        FaultError: a place begins with none of them.
    """
    known = list(dict.fromkeys(names))
    found: dict[str, list[Fault]] = {}
    for fault in schedule:
        fitting = [name for name in known if fault.place == name or fault.place.startswith((f"{name}.", f"{name}+"))]
        if not fitting and len(known) == 1:
            fitting = known
        if not fitting:
            first = fault.place.partition(".")[0].partition("+")[0]
            close = get_close_matches(first.upper(), {name.upper(): name for name in known}, 1)
            meant = next((name for name in known if close and name.upper() == close[0]), None)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known[:12]) or 'none'}"
            raise FaultError(f"fault {str(fault)!r}: no device is named {first!r}; {hint}")
        found.setdefault(max(fitting, key=len), []).append(fault)
    return {name: Schedule(tuple(own)) for name, own in found.items()}


def _exchange(
    ending: ExitStack,
    space: Any,
    region: Any,
    name: str | None,
    names: Any,
    schedule: Schedule,
    clock: Clock | None,
    warn: bool,
) -> Faulty:
    device = region.device
    faulty = Faulty(device, schedule, name or region.name, names, clock)
    ending.push(lambda kind, error, traceback: faulty.close(warn=warn and kind is None))
    space.exchange(region, faulty, names)

    def put_back() -> None:
        if region.device is faulty:
            space.exchange(region, device, names)

    ending.callback(put_back)
    return faulty
