"""Registers in an XSAVE area."""

import ctypes
import struct

import pytest

import mmio.linux.xsave
from mmio.linux.xsave import AVX, HI16_ZMM, OPMASK, ZMM_HI256, XSave, components, vector_width

STATE_BV = 512
FLAGS = {"x87": 1, "sse": 2}
SIZE = 0x1000
WIDE = (1 << 512) - 1 - (0x5A << 77)


@pytest.fixture
def memory() -> ctypes.Array[ctypes.c_char]:
    """An area of which no component is in use, filled with what was there before."""
    memory = (ctypes.c_char * SIZE)()
    memory.raw = b"\xa5" * SIZE
    (ctypes.c_uint64 * 2).from_buffer(memory, STATE_BV)[:] = [0, 0]
    return memory


@pytest.fixture
def area(memory: ctypes.Array[ctypes.c_char]) -> XSave:
    return XSave(ctypes.addressof(memory), SIZE)


def in_use(memory: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.c_uint64.from_buffer(memory, STATE_BV).value


def test_initial_state_is_zero(area: XSave) -> None:
    """Components that are not in use read as their initial state, whatever their bytes."""
    assert list(area.vector) == [0] * 32
    assert list(area.k) == [0] * 8
    assert list(area.x87) == [0] * 8
    assert (area.fcw, area.fsw, area.ftw) == (0x37F, 0, 0)


def test_writing_zero_keeps_the_initial_state(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """Zero written to a component that is not in use leaves it so."""
    area.vector[3] = 0
    area.k[1] = 0
    assert in_use(memory) == 0


def test_a_narrow_vector_puts_only_its_component_in_use(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """A value that fits an XMM register puts only that component in use, the other registers in it zero."""
    area.vector[5] = (1 << 128) - 1
    assert in_use(memory) == FLAGS["sse"]
    assert area.vector[5] == (1 << 128) - 1
    assert area.vector[4] == area.vector[6] == 0
    assert memory.raw[160 + 16 * 5 : 160 + 16 * 6] == b"\xff" * 16


@pytest.mark.cpu("AVX512F")
def test_a_zmm_register_is_put_together_from_its_parts(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """A ZMM register is put together from its parts; those from 16 on lie in one piece."""
    for index in (0, 15, 16, 31):
        area.vector[index] = WIDE + index
    assert [area.vector[index] for index in (0, 15, 16, 31)] == [WIDE, WIDE + 15, WIDE + 16, WIDE + 31]
    assert area.vector[1] == area.vector[17] == 0
    assert in_use(memory) == FLAGS["sse"] | 1 << AVX | 1 << ZMM_HI256 | 1 << HI16_ZMM
    area.k[7] = 0xDEAD
    assert (area.k[7], area.k[6]) == (0xDEAD, 0)
    assert in_use(memory) >> OPMASK & 1


@pytest.mark.parametrize("component", [AVX, OPMASK, ZMM_HI256, HI16_ZMM])
def test_registers_without_a_place_read_as_zero_and_take_nothing_else(
    component: int, area: XSave, memory: ctypes.Array[ctypes.c_char], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU that lacks a component its registers are zero; storing anything else is an error that names them."""
    there = {bit: place for bit, place in components().items() if bit < component}
    monkeypatch.setattr("mmio.linux.xsave.components", lambda: there)
    monkeypatch.setattr("mmio.linux.xsave._vector_parts", mmio.linux.xsave._vector_parts.__wrapped__)
    monkeypatch.setattr("mmio.linux.xsave.vector_width", mmio.linux.xsave.vector_width.__wrapped__)
    index = 16 if component == HI16_ZMM else 3
    file = area.k if component == OPMASK else area.vector
    file[index % len(file)] = 0
    assert file[index % len(file)] == 0
    with pytest.raises(ValueError, match={AVX: "ymm0", OPMASK: "k0", ZMM_HI256: "zmm0", HI16_ZMM: "zmm16"}[component]):
        file[index % len(file)] = 1 << 383 if component == ZMM_HI256 else 1 << 255 if component == AVX else 1
    assert in_use(memory) == 0


def test_x87_registers_are_physical(area: XSave) -> None:
    """The area counts from the top of the stack; a new top leaves each physical register its value."""
    for index in range(8):
        area.x87[index] = index << 64 | 1 << 63
    area.fsw = 3 << 11
    assert list(area.x87) == [index << 64 | 1 << 63 for index in range(8)]
    area.x87[3] = 5
    assert area.x87[3] == 5
    assert area.fsw == 3 << 11


def test_top_of_stack_comes_first(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """ST(0) is what FXSAVE has first."""
    area.fsw = 6 << 11
    area.x87[6] = 0x1234
    assert memory.raw[32:34] == b"\x34\x12"


def test_control_words_read_back_what_was_written(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """Control words are read and written; MXCSR counts whether or not SSE is in use."""
    area.mxcsr = 0x1FA0
    assert in_use(memory) == 0
    area.fcw, area.ftw = 0x27F, 0x81
    assert (area.fcw, area.ftw, area.mxcsr) == (0x27F, 0x81, 0x1FA0)
    assert in_use(memory) == FLAGS["x87"]


def test_a_reset_empties_all_but_the_control_words(area: XSave, memory: ctypes.Array[ctypes.c_char]) -> None:
    """A reset empties everything but the given control words, and leaves other state of the process alone."""
    area.vector[2], area.fsw, area.ftw = WIDE & (1 << 8 * vector_width(2)) - 1, 0x3800, 0xFF
    area.k[3] = 5 if OPMASK in components() else 0
    protection_keys = 1 << 9
    bits = ctypes.c_uint64.from_buffer(memory, STATE_BV)
    bits.value |= protection_keys
    area.reset(0x9FC0, 0x27F)
    assert list(area.vector) == [0] * 32
    assert area.k[3] == 0
    assert (area.fcw, area.fsw, area.ftw, area.mxcsr) == (0x27F, 0, 0, 0x9FC0)
    assert in_use(memory) & protection_keys


def test_signal_frame_says_its_size(memory: ctypes.Array[ctypes.c_char]) -> None:
    """In a signal's frame bytes FXSAVE does not use say how large the area is; without them it is the legacy part."""
    software = (ctypes.c_uint32 * 2).from_buffer(memory, 464)
    software[:] = [0x46505853, 0xA80]
    assert XSave(ctypes.addressof(memory)).size == 0xA80
    software[0] = 0
    legacy = XSave(ctypes.addressof(memory))
    assert legacy.size == 512
    legacy.vector[1] = 7
    assert legacy.vector[1] == 7


def test_registers_are_a_fixed_sequence(area: XSave) -> None:
    """Indexes count from either end and slices work; nothing can be added or removed."""
    area.x87[-1] = 9
    assert area.x87[7] == 9
    area.x87[:2] = [1, 2]
    assert area.x87[:3] == [1, 2, 0]
    assert len(area.vector) == 32
    with pytest.raises(IndexError):
        area.k[8]
    with pytest.raises(TypeError):
        del area.k[0]
    with pytest.raises(TypeError):
        area.k.append(1)


@pytest.mark.parametrize("marked", [True, False], ids=["kernel with the mark", "older kernel"])
def test_the_area_of_a_kernel_without_xsave_is_that_of_fxsave(marked: bool) -> None:
    """A signal frame without XSAVE has 512 bytes of state, and mostly the mark of a longer one all the same."""
    memory = (ctypes.c_char * 520)()
    memory.raw = b"\xa5" * 520
    software = struct.pack("<IIQI", 0x46505853, 516, 3, 512) if marked else bytes(20)
    ctypes.memmove(ctypes.addressof(memory) + 464, software, len(software))
    area = XSave(ctypes.addressof(memory))
    area.reset(0x1F80, 0x37F)
    area.vector[3] = (1 << 128) - 1
    area.x87[0] = 1 << 79
    assert (area.size, area.vector[3], area.x87[0], area.mxcsr) == (
        516 if marked else 512,
        (1 << 128) - 1,
        1 << 79,
        0x1F80,
    )
    assert memory.raw[512:] == b"\xa5" * 8
    with pytest.raises(ValueError, match="bits 128 to 255"):
        area.vector[3] = 1 << 128
