"""Registers that are looked for only when they are asked for."""

import ctypes

import pytest

from emulate.conformance import check_registers
from mmio.linux.xsave import AVX, OPMASK, XSave, components
from mmio.live.xsave_frame import XSaveFrame


class Counting(XSaveFrame):
    """A frame over an area of its own that counts how often it is asked where that is."""

    def __init__(self) -> None:
        self.area = (ctypes.c_char * 512)()
        self.asked = 0
        self.regs = [0] * 18
        self.slots = tuple(range(18))
        self.selectors = [0] * 6

    @property
    def xsave(self) -> XSave:
        self.asked += 1
        return XSave(ctypes.addressof(self.area), 512)


@pytest.mark.parametrize(("name", "value"), [("fcw", 0x27F), ("fsw", 0x3800), ("ftw", 0x81), ("mxcsr", 0x1F80)])
def test_control_words_are_the_areas(name: str, value: int) -> None:
    """A control or status word set on the frame is in the area, and read back from there."""
    frame = Counting()
    setattr(frame, name, value)
    assert getattr(frame, name) == getattr(frame.xsave, name) == value


def test_vector_registers_are_the_areas() -> None:
    """A register by its name and the sequence it belongs to are one place."""
    frame = Counting()
    frame.xmm3 = 0x1234
    assert frame.vector[3] == frame.xsave.vector[3] == 0x1234


def test_general_registers_ask_for_no_area() -> None:
    """The area is not looked for until something in it is wanted."""
    frame = Counting()
    frame.rax = frame.rdi + 1
    assert frame.asked == 0
    assert frame.xmm0 == 0
    assert frame.asked


class Own(XSaveFrame):
    """A frame over words and an XSAVE area of its own, as large as this CPU's."""

    def __init__(self, bits: int) -> None:
        size = max(place.offset + place.size for place in components().values()) + 1024
        self.area = (ctypes.c_char * size)()
        self.bits = bits
        self.regs = [0] * 18
        self.slots = tuple(range(18))
        self.selectors = [0] * 6
        self.bases = [0] * 6

    @property
    def xsave(self) -> XSave:
        return XSave(ctypes.addressof(self.area), len(self.area))


def test_an_area_conforms() -> None:
    """Every recorded case of features that this CPU has ends in an XSAVE area as it ended on silicon."""
    lacking = () if OPMASK in components() else ("AVX512",) if AVX in components() else ("AVX",)
    report = check_registers(Own, without=lacking)
    assert report, str(report)
    assert report.checked > 1000


def test_a_frame_says_where_its_area_is() -> None:
    """Without a subclass there is no area."""
    with pytest.raises(NotImplementedError):
        XSaveFrame().xsave  # noqa: B018
