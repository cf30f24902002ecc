"""Arguments of the wrong kind are refused where they are given, by a message that says what came."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import mmio
from decode import accesses, decode
from emulate import Cpu, Emulator, Ram
from mmio import (
    AddressSpace,
    Device,
    Initiator,
    Interrupt,
    Line,
    Replay,
    Spaced,
    Trace,
    Tracer,
    TraceView,
    array,
    register,
)
from mmio.device.field import bit
from mmio.formats.jsonlines import JsonLinesReader


class Card(Device):
    """A card of one register."""

    ctrl = register(0, fields=[bit("EN", 0)])


TRACE: Final = TraceView.of([])
ONES: Final = AddressSpace(unmapped="ones")

# What no argument below may be. A value's own words are in the message.
JUNK: Final = ("junk", b"junk", 1.5, {"junk": 1}, [1.5])

# A call that takes one value, by what the value is of.
CALLS: Final[dict[str, Callable[[Any], object]]] = {
    "Cpu register": lambda junk: Cpu(rax=junk),
    "Cpu vector register": lambda junk: Cpu(xmm3=junk),
    "Cpu attribute": lambda junk: setattr(Cpu(), "rip", junk),
    "Cpu bits": lambda junk: Cpu(bits=junk),
    "decode bits": lambda junk: decode(b"\x90", bits=junk),
    "Emulator bus": Emulator,
    "Trace keep": lambda junk: Trace(keep=junk),
    "Trace locate": lambda junk: Trace(locate=junk),
    "Trace attach": lambda junk: Trace().attach(junk),
    "Trace sinks": lambda junk: Trace(sinks=[junk]),
    "TraceView of": lambda junk: TraceView.of([junk]),
    "filter direction": lambda junk: TRACE.filter(direction=junk),
    "filter since": lambda junk: TRACE.filter(since=junk),
    "Replay": lambda junk: Replay([junk]),
    "save": lambda junk: mmio.save([junk], "/dev/null", format="jsonlines"),
    "Interrupt line": lambda junk: Interrupt(junk, print),
    "Interrupt handler": lambda junk: Interrupt(Line("irq"), junk),
    "Spaced device": lambda junk: Spaced(junk, 4),
    "Spaced stride": lambda junk: Spaced(Card(), junk),
    "ioremap device": lambda junk: mmio.ioremap(junk, length=64),
    "ioremap patching": lambda junk: mmio.ioremap(Card(), length=64, patching=junk),
    "ioremap length": lambda junk: mmio.ioremap(Card(), length=junk),
    "map device": lambda junk: AddressSpace().map(0, 4, junk),
    "map start": lambda junk: AddressSpace().map(junk, 4, Card()),
    "map length": lambda junk: AddressSpace().map(0, junk, Card()),
    "map priority": lambda junk: AddressSpace().map(0, 4, Card(), priority=junk),
    "map_ports port": lambda junk: AddressSpace().map_ports(junk, 4, Card()),
    "map_ports count": lambda junk: AddressSpace().map_ports(0, junk, Card()),
    "ram start": lambda junk: AddressSpace().ram(junk, 4),
    "ram size": lambda junk: AddressSpace().ram(0, junk),
    "unmap": lambda junk: AddressSpace().unmap(junk),
    "space trace": AddressSpace,
    "space trace, later": lambda junk: setattr(AddressSpace(), "trace", junk),
    "space unmapped": lambda junk: AddressSpace(unmapped=junk),
    "space unmapped, with a background": lambda junk: AddressSpace(unmapped=junk, background=Ram(4)),
    "space background": lambda junk: AddressSpace(background=junk),
    "space watch": lambda junk: AddressSpace().watch(junk),
    "space watch length": lambda junk: AddressSpace().watch(0, junk),
    "space watch_ports": lambda junk: AddressSpace().watch_ports(junk),
    "space initiator": lambda junk: AddressSpace().initiator(junk),
    "space read address": lambda junk: ONES.read(junk, 4),
    "space read width": lambda junk: ONES.read(0, junk),
    "space write address": lambda junk: ONES.write(junk, 4, 0),
    "space write width": lambda junk: ONES.write(0, junk, 0),
    "space write value": lambda junk: ONES.write(0, 4, junk),
    "space port_read": lambda junk: ONES.port_read(junk, 1),
    "space port_read width": lambda junk: ONES.port_read(0, junk),
    "space port_write": lambda junk: ONES.port_write(junk, 1, 0),
    "space port_write width": lambda junk: ONES.port_write(0, junk, 0),
    "space port_write value": lambda junk: ONES.port_write(0, 1, junk),
    "space update operation": lambda junk: ONES.update(0, 4, junk),
    "space update width": lambda junk: ONES.update(0, junk, int),
    "policy widths": lambda junk: mmio.Policy(widths=junk),
    "policy unaligned": lambda junk: mmio.Policy(unaligned=junk),
    "Initiator space": Initiator,
    "Initiator trace": lambda junk: Initiator(AddressSpace(), junk),
    "Initiator thread": lambda junk: Initiator(AddressSpace(), None, junk),
    "Tracer trace": Tracer,
    "Tracer unmapped": lambda junk: setattr(Tracer(), "unmapped", junk),
    "Tracer map_file device": lambda junk: Tracer().map_file("x", junk),
    "Tracer map_file offset": lambda junk: Tracer().map_file("x", offset=junk),
    "Tracer map_file length": lambda junk: Tracer().map_file("x", length=junk),
    "Tracer map_file policy": lambda junk: Tracer().map_file("x", Card(), widths=junk),
    "Tracer map start": lambda junk: Tracer().map(junk, 4),
    "Tracer map length": lambda junk: Tracer().map(0, junk),
    "Tracer map device": lambda junk: Tracer().map(0, 4, junk),
    "Tracer map_ports port": lambda junk: Tracer().map_ports(junk, 4, Card()),
    "Tracer map_ports count": lambda junk: Tracer().map_ports(0, junk, Card()),
    "Tracer map_ports device": lambda junk: Tracer().map_ports(0, 4, junk),
    "Tracer watch": lambda junk: Tracer().watch(junk),
    "Tracer watch length": lambda junk: Tracer().watch(0, junk),
    "Tracer attach": lambda junk: Tracer().attach(junk),
    "Tracer spawn environment": lambda junk: Tracer().spawn(["true"], environment=junk),
    "Tracer spawn descriptors": lambda junk: Tracer().spawn(["true"], descriptors=junk),
    "map_ports port of this process": lambda junk: mmio.map_ports(junk, 4, Card()),
    "map_ports count of this process": lambda junk: mmio.map_ports(0, junk, Card()),
    "map_ports device of this process": lambda junk: mmio.map_ports(0, 4, junk),
    "map_ports trace": lambda junk: mmio.map_ports(0, 4, Card(), trace=junk),
    "ioremap trace": lambda junk: mmio.ioremap(Card(), trace=junk),
    "array count": lambda junk: type("Bad", (Device,), {"fifo": array(0, count=junk, stride=4)}),
    "array stride": lambda junk: type("Bad", (Device,), {"fifo": array(0, count=2, stride=junk)}),
    "register offset": lambda junk: type("Bad", (Device,), {"ctrl": register(junk)}),
    "register width": lambda junk: type("Bad", (Device,), {"ctrl": register(0, width=junk)}),
    "register fields": lambda junk: type("Bad", (Device,), {"ctrl": register(0, fields=[junk])}),
    "register value": lambda junk: setattr(Card().ctrl, "value", junk),
    "register write": lambda junk: Card().ctrl.write(junk),
    "open_trace on_error": lambda junk: JsonLinesReader("/dev/null", on_error=junk),
}


# A call that takes one value, which may be a str.
CALLS_OF_TEXT: Final[dict[str, Callable[[Any], object]]] = {
    "map name": lambda junk: AddressSpace().map(0, 4, Card(), junk),
    "map_ports name": lambda junk: AddressSpace().map_ports(0, 4, Card(), junk),
    "ram name": lambda junk: AddressSpace().ram(0, 4, junk),
    "ioremap name": lambda junk: mmio.ioremap(Card(), name=junk),
    "map_ports name of this process": lambda junk: mmio.map_ports(0, 4, Card(), name=junk),
    "Tracer map_file": lambda junk: Tracer().map_file(junk),
    "Tracer map_file name": lambda junk: Tracer().map_file("x", name=junk),
    "Tracer map name": lambda junk: Tracer().map(0, 4, name=junk),
    "Tracer map_ports name": lambda junk: Tracer().map_ports(0, 4, Card(), name=junk),
    "Tracer redirect": lambda junk: Tracer().redirect(junk, "x"),
    "Tracer redirect to": lambda junk: Tracer().redirect("x", junk),
    "Tracer spawn directory": lambda junk: Tracer().spawn(["true"], directory=junk),
    "timeline": TRACE.timeline,
    "heatmap": TRACE.heatmap,
    "report title": lambda junk: TRACE.report(title=junk),
    "report save": lambda junk: TRACE.report().save(junk),
}


@pytest.mark.parametrize("junk", [*(junk for junk in JUNK if junk != "junk"), 5, -1, True], ids=repr)
@pytest.mark.parametrize("what", CALLS_OF_TEXT)
def test_what_is_no_text_is_refused_and_named(what: str, junk: Any) -> None:
    """So it is where a str is expected; only the file of `map_file` may also be the number of a descriptor."""
    if what == "Tracer map_file" and type(junk) is int and junk >= 0:
        CALLS_OF_TEXT[what](junk)
        return
    _refused(CALLS_OF_TEXT[what], junk)


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize("what", CALLS)
def test_it_is_refused_and_named(what: str, junk: Any) -> None:
    """A TypeError, a ValueError or an error of a definition, which quotes the value; never one from further inside."""
    _refused(CALLS[what], junk)


def _refused(call: Callable[[Any], object], junk: Any) -> None:
    with pytest.raises((TypeError, ValueError, mmio.DefinitionError), match=re.escape(repr(junk))) as caught:
        call(junk)
    assert not re.search(r"unsupported operand|not supported between|has no attribute|not iterable", str(caught.value))


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda junk: Emulator(Ram(16)).step(junk, b"\x90"), "cpu is an emulate.Cpu"),
        (lambda junk: accesses(junk, Cpu()), "instruction is an Instruction, as decode returns, not "),
    ],
    ids=["step", "accesses"],
)
def test_a_swapped_argument_is_told_by_its_type(call: Callable[[Any], object], message: str, junk: Any) -> None:
    """Where a value may be long, its type is named: `step(code, cpu)` and `accesses(code, cpu)` are usual slips."""
    with pytest.raises(TypeError, match=rf"{message}.*\b{type(junk).__name__}\b"):
        call(junk)


@pytest.mark.parametrize("junk", ["junk", 1.5, -1], ids=repr)
def test_the_size_of_ram(junk: Any) -> None:
    """A size that is none is told, and what would do."""
    with pytest.raises(
        TypeError, match=re.escape(f"contents is a number of bytes, from 0, or the bytes themselves, not {junk!r}")
    ):
        Ram(junk)


@pytest.mark.parametrize("name", ["offset", "address", "width", "value", "ip", "thread"])
def test_a_number_is_not_filtered_by_its_spelling(name: str) -> None:
    """`filter(width="4")` would choose nothing, and look like an answer."""
    with pytest.raises(TypeError, match=f"^{name} is an int, or a range or set of them, not '4'$"):
        TRACE.filter(**{name: "4"})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(Cpu.names)[::20])
def test_a_misspelt_register_of_a_cpu(name: str) -> None:
    """Assigning to a name that no register has does not make an attribute of it; so of a copy."""
    for cpu in (Cpu(), Cpu().copy()):
        with pytest.raises(AttributeError):
            setattr(cpu, f"{name}x", 1)


def test_a_subclass_of_a_cpu_has_attributes_of_its_own() -> None:
    """A subclass has a `__dict__`, and may keep there what it likes."""

    class Mine(Cpu):
        pass

    mine = Mine()
    mine.tlb = 1
    assert mine.copy().tlb == 1


def test_a_file_is_no_sink(tmp_path: Path) -> None:
    """A file takes text; a writer makes a trace of it."""
    with open(tmp_path / "x", "w") as file, pytest.raises(TypeError, match=r"as mmio\.writer\('run\.jsonl'\) has"):
        Trace().attach(file)  # type: ignore[arg-type]


def test_where_the_registers_stand_can_be_said() -> None:
    """`slots` belongs to an instance or to a subclass, whichever sets it."""

    class Reversed(Cpu):
        slots = tuple(reversed(range(18)))

    cpu = Cpu()
    cpu.slots = tuple(reversed(range(18)))
    for each in (cpu, Reversed()):
        each.rax = 5
        assert each.copy().regs[17] == 5
