"""What the test kit is given wrong is refused by a statement that says so, and not by what trips over it."""

import ast
import struct
import traceback
from collections.abc import Callable
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, Final

import pytest

import mmio
from mmio import (
    Clock,
    Device,
    DeviceCoverage,
    Dma,
    EventFd,
    InterruptSource,
    Pci,
    SignalSender,
    Uio,
    VfioInterrupts,
    assert_accesses,
    bit,
    block,
    blocks,
    document,
    field,
    fifo_register,
    indexed,
    line,
    register,
)
from mmio.faults import Condition, Fault, Schedule, Setting, Span, parse, wrap
from mmio.pci import Bar, Msi, MsiX, PciBus, PcieEndpoint, PciFunction, PowerManagement, SerialNumber, VendorSpecific
from mmio.strategies import fault_schedules, interrupt_timings, register_values
from mmio.traces.grammar import parse as expectations
from mmio.traces.grammar import parse_access
from mmio.virtio import VirtioConsole, VirtioMmio, VirtioRng

RAISED: Final = (TypeError, ValueError, OSError, AssertionError, mmio.PagetrapError)


class Card(Device):
    """Something of each kind."""

    ctrl = register(0x00, fields=[bit("EN", 0), field("MODE", 5, 4, enum={0: "A", 1: "B"})])
    stat = register(0x04, fields=[bit("RDY", 0)])
    rx = fifo_register(0x10, depth=4)
    irq = line()


def _trace() -> mmio.Trace:
    trace = mmio.Trace()
    space = mmio.AddressSpace(trace)
    space.map(0x1000, 0x20, Card(), "card")
    space.write(0x1000, 4, 0x11)
    space.read(0x1004, 4)
    return trace


def _mapped() -> Dma:
    dma = Dma()
    dma.map(0x1000, 0x2000, 64)
    return dma


def _function(**given: Any) -> PciFunction:
    return PciFunction(1, 2, 3, **{"bars": [Bar(0, Card(), size=0x1000)], **given})


def _class(**members: Any) -> type:
    return type("Made", (Device,), members)


def _fault(**parts: Any) -> object:
    whole = {"place": "STAT", "effect": "stuck", "settings": (Setting("RDY", 0),), **parts}
    faulty = wrap(Card(), Fault(**whole))
    faulty.close(warn=False)
    return faulty


TRACE: Final = _trace()
HUGE: Final[Any] = 1 << 20_000  # more digits than Python converts to decimal
LINE: Final = Card().irq
DEVICE: Final = Card()
FUNCTION: Final = _function()
READY: Final = Setting("RDY", 0)
ENABLED: Final = Setting("EN", 1)
NO_DESCRIPTOR: Final = struct.pack("<i", -1)
NO_TRIGGERS: Final = struct.pack("<5I", 20, 33, 0, 0, 0)
JUNK: Final[tuple[object, ...]] = (
    *(None, True, -1, 0, 1 << 70, HUGE, 1.5, float("nan"), float("inf")),
    *("junk", "", "\ud800", "é☃" * 100, "x" * 10_000, b"junk", [], [1.5], {}, {"a": 1}, (1, 2, 3), ("a",), [None]),
    *(object(), Card, Card(), len, lambda: 0, Ellipsis),
)

# Calls of which each argument is replaced by junk in turn; as they stand they are right.
CALLS: Final[dict[str, Callable[..., object]]] = {
    "Span": lambda count=1, unit="read": _fault(after=Span(count, unit)),
    "Setting": lambda name="RDY", value=0: _fault(settings=[Setting(name, value)]),
    "Setting of a register": lambda value=0, mask=1: _fault(settings=[Setting("", value, mask)]),
    "Condition": lambda register="CTRL", setting=ENABLED: _fault(when=Condition(register, setting)),
    "Fault": lambda place="STAT", effect="stuck", settings=(READY,): _fault(
        place=place, effect=effect, settings=settings
    ),
    "Fault's clauses": lambda flag=None, by=None, after=None, at=None, start=None, when=None, limit=None: _fault(
        flag=flag, by=by, after=after, at=at, start=start, when=when, limit=limit
    ),
    "Fault by chance": lambda probability=0.5, seed=1: _fault(probability=probability, seed=seed),
    "Schedule": lambda faults=(): str(Schedule(faults)),
    "faults.parse": lambda line="STAT stuck RDY=0": parse(line),
    "faults.wrap": lambda faults="STAT stuck RDY=0", name=None, registers=None, clock=None: wrap(
        Card(), faults, name=name, registers=registers, clock=clock
    ).close(warn=False),
    "Faulty.restore": lambda state=None: wrap(Card(), "STAT stuck RDY=0").restore(state),
    "Clock": lambda per_access=0, policy=None: Clock(per_access, policy),
    "Clock.after": lambda delay=1, call=len: Clock().after(delay, call),
    "Clock.every": lambda period=1, call=len: Clock().every(period, call),
    "Clock.run_for": lambda duration=10: Clock().run_for(duration),
    "Clock.restore": lambda state=None: Clock().restore(state),
    "Device.clock": lambda clock=None: setattr(Card(), "clock", clock),
    "Device.memory": lambda memory=None: setattr(Card(), "memory", memory),
    "Device.restore": lambda state=None: Card().restore(state),
    "memory.read": lambda address=0, length=0: Card().memory.read(address, length),
    "memory.write": lambda address=0, data=b"": Card().memory.write(address, data),
    "Dma": lambda memory=None, trace=None, device="": Dma(memory, trace=trace, device=device),
    "Dma.map": lambda iova=0, address=0, length=1, writable=True: _mapped().map(
        iova, address, length, writable=writable
    ),
    "Dma.unmap": lambda iova=0x1000, length=None: _mapped().unmap(iova, length),
    "Dma.read": lambda address=0x1000, length=0: _mapped().read(address, length),
    "Dma.write": lambda address=0x1000, data=b"": _mapped().write(address, data),
    "EventFd": lambda line=LINE, trigger=None, automask=False: EventFd(line, trigger, automask=automask).close(),
    "InterruptSource": lambda fire=len, trigger=None, automask=True, masked=False: InterruptSource(
        LINE, fire, trigger=trigger, automask=automask, masked=masked
    ),
    "SignalSender": lambda line=LINE, number=10, process=None: SignalSender(line, number, process),
    "Uio": lambda line=LINE, trigger=None: Uio(line, trigger),
    "VfioInterrupts": lambda line=LINE, trigger=None: VfioInterrupts(line, trigger=trigger),
    "VfioInterrupts.set_irqs": lambda flags=36, start=0, count=1, data=NO_DESCRIPTOR: VfioInterrupts(LINE).set_irqs(
        flags, start, count, data
    ),
    "VfioInterrupts.set_irqs_of": lambda message=NO_TRIGGERS: VfioInterrupts(LINE).set_irqs_of(message),
    "line": lambda name=None, trigger="level": _class(irq=line(name, trigger)),
    "Line.subscribe": lambda subscriber=len: Card().irq.subscribe(subscriber),
    "Bar": lambda index=0, device=None, size=16, kind="memory", wide=False, prefetchable=False, name=None: _function(
        bars=[Bar(index, device, size, kind, wide, prefetchable, name)]
    ),
    "PciFunction": lambda vendor=1, device=2, class_code=3, revision=0, subsystem=(0, 0): PciFunction(
        vendor, device, class_code, revision=revision, subsystem=subsystem
    ),
    "PciFunction's parts": lambda bars=(), capabilities=(), option_rom=None, interrupt_pin=1, multifunction=0: (
        _function(
            bars=bars,
            capabilities=capabilities,
            option_rom=option_rom,
            interrupt_pin=interrupt_pin,
            multifunction=multifunction,
        )
    ),
    "PciFunction's name": lambda name=None: _function(name=name),
    "PciFunction.restore": lambda state=None: _function().restore(state),
    "PciFunction.bar": lambda index=0: _function().bar(index),
    "PciFunction.place": lambda index=0, address=0: _function().place(index, address),
    "PciFunction.interrupt": lambda vector=0: _function().interrupt(vector),
    "PciFunction.memory": lambda memory=None: setattr(_function(), "memory", memory),
    "Interrupts.follow": lambda line=LINE, vector=0: _function().interrupts.follow(line, vector),
    "Interrupts.subscribe": lambda handler=len: _function().interrupts.subscribe(handler),
    "Interrupts.vectors": lambda mode="msi": _function().interrupts.vectors(mode),
    "Msi": lambda at=None, vectors=1, wide=True, maskable=False: _function(
        capabilities=[Msi(at=at, vectors=vectors, wide=wide, maskable=maskable)]
    ),
    "MsiX": lambda at=None, vectors=1, table=(0, 0), pending=None: _function(
        capabilities=[MsiX(at=at, vectors=vectors, table=table, pending=pending)]
    ),
    "PcieEndpoint": lambda at=None, speed=1, width=1, flr=True, payload=0: _function(
        capabilities=[PcieEndpoint(at=at, speed=speed, width=width, flr=flr, payload=payload)]
    ),
    "PowerManagement": lambda d1=False, d2=False, no_soft_reset=True, pme=0: _function(
        capabilities=[PowerManagement(d1=d1, d2=d2, no_soft_reset=no_soft_reset, pme=pme)]
    ),
    "SerialNumber": lambda at=None, number=0: _function(capabilities=[SerialNumber(at=at, number=number)]),
    "VendorSpecific": lambda at=None, data=b"", writable=False: _function(
        capabilities=[VendorSpecific(at=at, data=data, writable=writable)]
    ),
    "PciBus.add": lambda address="0:1.0", function=FUNCTION: PciBus().add(address, function),
    "Pci": lambda vendor=1, device_id=1, class_code=0, size=0, name=None: Pci(
        Card(), vendor, device_id, class_code=class_code, size=size, name=name
    ),
    "VirtioMmio": lambda device_id=1, queues=(8,), features=0, vendor=1: VirtioMmio(
        device_id, queues, features, vendor
    ),
    "VirtioMmio.restore": lambda state=None: VirtioRng().restore(state),
    "VirtioConsole": lambda columns=80, rows=25: VirtioConsole(columns, rows),
    "VirtioConsole.receive": lambda data=b"": VirtioConsole().receive(data),
    "document": lambda device=Card, format="markdown": document(device, format),
    "DeviceCoverage": lambda device=Card, name=None: DeviceCoverage(device, name),
    "DeviceCoverage.of": lambda device=Card, accesses=TRACE, region="card": DeviceCoverage.of(device, accesses, region),
    "DeviceCoverage.omit": lambda pattern="CTRL": DeviceCoverage(Card).omit(pattern),
    "DeviceCoverage.compare": lambda other=None: DeviceCoverage(Card).compare(other),
    "DeviceCoverage.from_dict": lambda data=None: DeviceCoverage.from_dict(data),
    "fault_schedules": lambda device=Card, effects=("stuck",), registers=None, fields=None: fault_schedules(
        device, effects=effects, registers=registers, fields=fields
    ),
    "register_values": lambda device=Card, register="CTRL": register_values(device, register),
    "interrupt_timings": lambda until=10, max_size=5, least_apart=0: interrupt_timings(
        until, max_size=max_size, least_apart=least_apart
    ),
    "assert_accesses": lambda accesses=TRACE, expected=("…",): assert_accesses(accesses, expected),
    "expectations": lambda lines=("…",): expectations(lines),
    "parse_access": lambda text="R4 CTRL": parse_access(text),
    "filter": lambda words="R CTRL": TRACE.filter(words),
    "filter by name": lambda register="CTRL", region="card": TRACE.filter(register=register, region=region),
    "filter by direction": lambda direction="R": TRACE.filter(direction=direction),
    "fifo_register": lambda offset=0, depth=1, width=4, access="rw", empty=None, fields=(), name=None, when=None: (
        _class(rx=fifo_register(offset, depth, width, access, empty, fields, name, when=when))
    ),
    "Fifo.push": lambda value=1: Card().rx.push(value),
    "Fifo.extend": lambda values=(1,): Card().rx.extend(values),
    "block": lambda offset=0, device=Card, name=None: _class(dma=block(offset, device, name)),
    "blocks": lambda offset=0, device=Card, stride=None, name=None: _class(
        queue=blocks(offset, device, 2, stride, name)
    ),
    "indexed": lambda offset=8, device=Card, by=None, field=None, step=1: _class(
        cmos=indexed(offset, device, by, field, step)
    ),
    "checkpoint": lambda device=DEVICE: mmio.checkpoint(device),
}


def _refused(call: Callable[..., object], arguments: dict[str, object]) -> None:
    problem = None
    try:
        call(**arguments)
    except RAISED as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not any(first <= (last.lineno or 0) <= end for first, end in _raising(last.filename)):
            problem = f"{type(error).__name__} of {last.filename}:{last.lineno}, which raises nothing itself: {error}"
    assert problem is None, f"{arguments!r:.200}: {problem}"


@cache
def _raising(file: str) -> list[tuple[int, int]]:
    """Return where the statements of a file are that raise an error."""
    tree = ast.parse(Path(file).read_text())
    return [(node.lineno, node.end_lineno or 0) for node in ast.walk(tree) if isinstance(node, ast.Raise)]


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_value_is_refused_by_a_statement_that_says_so(name: str) -> None:
    """Whatever comes as any argument of the test kit, it is taken, or refused in words that were meant for it."""
    call = CALLS[name]
    for parameter in signature(call).parameters:
        for junk in JUNK:
            _refused(call, {parameter: junk})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Setting("RDY", None), "value is an int, not None"),  # type: ignore[arg-type]
        (lambda: Span(1 << 70, "read"), "count is an int, up to 0x7fffffffffffffff, not 1180591620717411303424"),
        (lambda: _fault(after=3), "after is a Span, not 3"),
        (lambda: _fault(place="two words"), "a fault's place is one word"),
        (lambda: Schedule(["STAT stuck RDY=0"]), "each of the faults is a Fault, not 'STAT stuck RDY=0'"),  # type: ignore[list-item]
        (lambda: Bar(0, Card(), wide=2), "wide is True or False, not 2"),  # type: ignore[arg-type]
        (lambda: _function().interrupts.vectors("msx"), "mode is one of intx, msi, msix, not 'msx'"),  # type: ignore[arg-type]
        (lambda: Clock(policy=HUGE), "a time policy is a text such as 'access:100ns', or a PerAccess, not 0x1000"),
        (lambda: mmio.assert_trace(["R4 CTRL"], "x"), "each of trace is an Access, not 'R4 CTRL'"),  # type: ignore[list-item]
        (lambda: TRACE.filter(register=5), "register is a str, or a set of them, not 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_words_say_what_was_expected_and_what_came(call: Callable[[], object], message: str) -> None:
    """An error names the argument, what it takes, and the value that came, cut where that is long."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 500
