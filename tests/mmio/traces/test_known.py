"""Names that a trace knows."""

import re
from fnmatch import fnmatchcase

import pytest

from mmio import AddressSpace, Device, Spaced, Trace, TraceView, array, bit, blocks, field, register
from mmio.traces.known import MAX_LENGTH, Known
from tests.mmio.sample_traces import Timer, access, machine


class Card(Device):
    ctrl = register(0x00, fields=[bit("UP", 1), field("MODE", 7, 4)])
    dll = register(0x04, width=1, when=ctrl.has(UP=1))
    rbr = register(0x04, width=1, access="r", when=ctrl.has(UP=0))


def known_of(device: object, length: int = 8) -> Known:
    """Return the names of a trace with one access to a device."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(0x1000, length, device, "card")  # type: ignore[arg-type]
    space.read(0x1000, 4)
    return Known.of(trace)


@pytest.mark.parametrize("name", ["card", "CTRL", "card.CTRL", "CTRL.UP", "card.CTRL.MODE", "CTRL+2", "DLL", "RBR"])
def test_a_device_tells_all_its_names(name: str) -> None:
    """Regions, registers, parts of them, fields, and registers that are not there at the moment are known."""
    known = known_of(Card())
    assert known.whole
    assert known.has(name)
    assert known.missing(name) == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("CTLR", "no register or field is called 'CTLR'; did you mean 'CTRL'?"),
        ("CTRL.UPP", "no register or field is called 'CTRL.UPP'; did you mean 'CTRL.UP'?"),
        ("card.MOD", "no register or field is called 'card.MOD'"),
        ("crd.CTRL", "no region or register is called 'crd'; did you mean 'card'?"),
        ("crd+0x10", "no region is called 'crd'; did you mean 'card'?"),
        ("xyz", "no register or field is called 'xyz'; there are CTRL, "),
        ("other.CTRL", ""),
        ("card+0x10", ""),
    ],
)
def test_a_name_that_nothing_has(name: str, problem: str) -> None:
    """It is told with the nearest; a region that is like none may be one that has not been touched."""
    assert known_of(Card()).missing(name).startswith(problem)
    assert bool(problem) == bool(known_of(Card()).missing(name))


class Strip(Device):
    bell = register(0x0, fields=[bit("RING", 0)])


class Lights(Device):
    strip = blocks(0x0, Strip, count=2, stride=4, name="STRIP")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("STRIP[1].BELL", ""),
        ("STRIP[1].BELL.RING", ""),
        ("STRIP.BELL", r"no register or field is called 'STRIP.BELL'; did you mean 'STRIP\[\d\].BELL'\?"),
        ("STRIP[9].BELL", r"no region or register is called 'STRIP\[9\]'; did you mean 'STRIP\[\d\]'\?"),
        ("STRIP[1].BEL", r"no register or field is called 'STRIP\[1\].BEL'; did you mean 'STRIP\[1\].BELL'\?"),
    ],
)
def test_registers_of_blocks_have_the_name_of_their_block(name: str, problem: str) -> None:
    """Without its index an array of blocks is no place: which of them would be left open."""
    assert re.fullmatch(problem, known_of(Lights()).missing(name))


def test_hints_are_of_whole_registers() -> None:
    """Parts of registers and several together are known, and are no help to a reader."""
    known = known_of(Card())
    assert known.nearest("CTRL+9") == "; did you mean 'CTRL'?"
    assert known.nearest("xyz") == "; there are CTRL, DLL, RBR"
    assert known.missing_part("register", "xyz") == "no register is called 'xyz'; there are CTRL, DLL, RBR"
    assert known.has("CTRL+2")


@pytest.mark.parametrize("pattern", ["CT*", "card.*", "?ard.CTRL*", "c?rd", "*+2", "C*.UP", "*"])
def test_a_pattern_that_something_fits(pattern: str) -> None:
    """A register, a region, a field, or a part of a register."""
    assert known_of(Card()).unlike(pattern, fnmatchcase) == ""


def test_a_pattern_that_nothing_fits() -> None:
    """It is told with what there is; an array is known without its indices, too."""
    assert known_of(Card()).unlike("XX*", fnmatchcase) == "no region or register fits 'XX*'; there are CTRL, DLL, RBR"
    assert known_of(Timer(), 16).unlike("XX*", fnmatchcase)
    assert Known(whole=False).unlike("XX*", fnmatchcase) == ""

    class Rings(Device):
        ring = array(0x00, count=2)

    assert known_of(Rings()).unlike("R?NG", fnmatchcase) == ""


def test_registers_apart_are_known_by_their_device() -> None:
    """A device whose registers are spaced has the names of the device."""
    known = known_of(Spaced(Card(), 4), 64)
    assert known.whole
    assert known.has("DLL")


def test_what_is_not_known_is_not_refused() -> None:
    """Accesses without their devices, a device without names and one that is too large may have any name."""
    for known in (
        Known.of([access()]),
        Known.of(TraceView.of([access()])),
        known_of(Timer(), MAX_LENGTH + 1),
        known_of(bytearray_device()),
    ):
        assert not known.whole
        assert known.missing("FOO") == ""
    assert Known.of([access()]).has("timer.STATUS")


def bytearray_device() -> object:
    """Return a device without names."""

    class Bytes:
        def read(self, offset: int, width: int) -> int:
            return 0

        def write(self, offset: int, width: int, value: int) -> None: ...

    return Bytes()


def test_names_of_views() -> None:
    """A part of a trace, or a selection of it, has the names of all of it."""
    trace = Trace()
    machine(trace).read(0xFE000000, 4)
    for view in (trace[:0], trace.filter(width=4), trace.filter(width=4)[0:]):
        assert Known.of(view).missing("STATSU").endswith("did you mean 'STATUS'?")


def test_bits_of_a_field() -> None:
    """A field knows how wide it is."""
    known = known_of(Card())
    assert (known.bits("CTRL.MODE"), known.bits("card.CTRL.UP"), known.bits("CTRL")) == (4, 1, None)
    assert known.is_register("card.CTRL")
    assert not known.is_register("CTRL.UP")
