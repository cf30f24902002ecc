"""Vector, mask and x87 registers in an XSAVE area, of a signal's frame or from ptrace.

The kernel hands them out in XSAVE's standard format (SDM vol. 1, 13.4): a 512-byte legacy area as FXSAVE has it, a
header, then one component after another at offsets that CPUID tells and that differ between makers. A component whose
bit in the header's XSTATE_BV is clear is in its initial state, whatever its bytes say; writing it means clearing those
first.

The sequences here read and write that area directly, as the emulator's registers.
"""

import ctypes
from collections.abc import Callable, MutableSequence
from functools import cache
from typing import Any, Final, NamedTuple

from mmio.linux.trampoline import trampoline

# State components, by their bit in XSTATE_BV.
_X87: Final = 0
_SSE: Final = 1
AVX: Final = 2
OPMASK: Final = 5
ZMM_HI256: Final = 6
HI16_ZMM: Final = 7

_FCW: Final = 0
_FSW: Final = 2
_FTW: Final = 4
_MXCSR: Final = 24
_STACK: Final = 32
_XMM: Final = 160
SOFTWARE: Final = 464  # struct _fpx_sw_bytes, in bytes FXSAVE does not use
_HEADER: Final = 512

MAGIC: Final = 0x46505853  # FP_XSTATE_MAGIC1: the area extends past the legacy part
_LEGACY_SIZE: Final = 512
_OSXSAVE: Final = 1 << 27  # of CPUID.01H:ECX
_INITIAL_FCW: Final = 0x37F


_NAMES: Final = {
    AVX: "bits 128 to 255 of ymm0 to ymm15",
    OPMASK: "k0 to k7",
    ZMM_HI256: "bits 256 to 511 of zmm0 to zmm15",
    HI16_ZMM: "zmm16 to zmm31",
}


class Component(NamedTuple):
    """Position of a state component in the area."""

    offset: int
    size: int


@cache
def has_xsave() -> bool:
    """Return whether the kernel saves registers with XSAVE; on CPUs before it, FXSAVE (CPUID leaf 01H, OSXSAVE)."""
    return bool(trampoline().cpuid(1)[2] & _OSXSAVE)


@cache
def area_size() -> int:
    """Return the size in bytes of the area that ptrace exchanges: without XSAVE that of FXSAVE, 512.

    CPUID leaf 0DH must not be asked then: above its highest leaf, an Intel CPU answers with that of another.
    """
    return trampoline().cpuid(0xD)[1] if has_xsave() else _LEGACY_SIZE


@cache
def components() -> dict[int, Component]:
    """Return the components this CPU has and the kernel saves, by their bit (CPUID leaf 0DH, SDM vol. 1, 13.2)."""
    found = {_X87: Component(_STACK, 128), _SSE: Component(_XMM, 256)}
    if has_xsave():
        enabled = trampoline().cpuid(0xD)[0]
        for bit in (AVX, OPMASK, ZMM_HI256, HI16_ZMM):
            if enabled >> bit & 1:
                size, offset, _, _ = trampoline().cpuid(0xD, bit)
                found[bit] = Component(offset, size)
    return found


@cache
def vector_width(index: int) -> int:
    """Return how many bytes of vector register `index` (0 to 31) this CPU has: 64, 32, 16, or 0."""
    return sum(width for *_, width in _vector_parts(index))


class XSave:
    """The area at one address.

    A register, or part of one, that the area has no place for reads as zero, its initial state, and takes nothing else:
    ValueError says which component is missing.

    Attributes:
        address: of the area.
        size: of the area in bytes; left out, the area is a signal frame's, which says itself how long it is, including
            the kernel's mark at its end.
        vector, k, x87: registers in it, as `emulate.RegisterFile` has them.
    """

    def __init__(self, address: int, size: int | None = None) -> None:
        self.address = address
        state_size = size
        if size is None:
            legacy = _bytes_at(address, _LEGACY_SIZE)
            size = state_size = _LEGACY_SIZE
            if _read(legacy, SOFTWARE, 4) == MAGIC:
                # struct _fpx_sw_bytes, asm/sigcontext.h. A kernel without XSAVE fills it, too: state_size is 512 then.
                size, state_size = _read(legacy, SOFTWARE + 4, 4), _read(legacy, SOFTWARE + 16, 4)
        self.size = size
        self._extended = state_size is not None and state_size > _LEGACY_SIZE
        self._bytes = _bytes_at(address, size)
        self.vector: MutableSequence[int] = _Words(32, self._vector, self._set_vector)
        self.k: MutableSequence[int] = _Words(8, self._mask, self._set_mask)
        self.x87: MutableSequence[int] = _Words(8, self._x87, self._set_x87)

    @property
    def fcw(self) -> int:
        """The x87 control word."""
        return self._get(_FCW, 2) if self._active(_X87) else _INITIAL_FCW

    @fcw.setter
    def fcw(self, value: int) -> None:
        self._activate(_X87)
        self._put(_FCW, 2, value)

    @property
    def fsw(self) -> int:
        """The x87 status word."""
        return self._get(_FSW, 2) if self._active(_X87) else 0

    @fsw.setter
    def fsw(self, value: int) -> None:
        # The area counts the registers from the top of the stack, so a new top means new places for all of them.
        registers = self.x87[:]
        self._activate(_X87)
        self._put(_FSW, 2, value)
        self.x87[:] = registers

    @property
    def ftw(self) -> int:
        """The abridged x87 tag word: bit i is set when physical register i is valid."""
        return self._get(_FTW, 1) if self._active(_X87) else 0

    @ftw.setter
    def ftw(self, value: int) -> None:
        self._activate(_X87)
        self._put(_FTW, 1, value)

    @property
    def mxcsr(self) -> int:
        """SSE control and status, which is valid whatever XSTATE_BV says (SDM vol. 1, 13.7)."""
        return self._get(_MXCSR, 4)

    @mxcsr.setter
    def mxcsr(self, value: int) -> None:
        self._put(_MXCSR, 4, value)

    def reset(self, mxcsr: int, fcw: int) -> None:
        """Put vector and x87 registers into their initial state, with these control words."""
        if self._extended:
            self._put(_HEADER, 8, self._get(_HEADER, 8) & ~sum(1 << bit for bit in components()))
        self.fcw, self.fsw, self.ftw, self.mxcsr = fcw, 0, 0, mxcsr

    def _active(self, bit: int) -> bool:
        """Return whether a component's bytes count, rather than its initial state."""
        return bool(self._in_use() >> bit & 1)

    def _in_use(self) -> int:
        """Return the components whose bytes count, as a mask."""
        return self._get(_HEADER, 8) if self._extended else 1 << _X87 | 1 << _SSE

    def _activate(self, bit: int) -> None:
        """Make a component's bytes count, putting its initial state there first."""
        if self._active(bit):
            return
        if bit not in components() or (bit > _SSE and not self._extended):
            raise ValueError(f"expected zero for registers that this XSAVE area does not have: {_NAMES[bit]}")
        offset, size = components()[bit]
        self._bytes[offset : offset + size] = bytes(size)
        if bit == _X87:
            self._bytes[:_MXCSR] = bytes(_MXCSR)
            self._put(_FCW, 2, _INITIAL_FCW)
        self._put(_HEADER, 8, self._get(_HEADER, 8) | 1 << bit)

    def _vector(self, index: int) -> int:
        in_use = self._in_use()
        parts = [self._get(at, width) << shift for shift, bit, at, width in _vector_parts(index) if in_use >> bit & 1]
        return sum(parts)

    def _set_vector(self, index: int, value: int) -> None:
        if value >> 8 * vector_width(index):
            self._activate(HI16_ZMM if index >= 16 else AVX if AVX not in components() else ZMM_HI256)
        in_use = self._in_use()
        for shift, bit, at, width in _vector_parts(index):
            part = value >> shift & (1 << 8 * width) - 1
            if not in_use >> bit & 1:
                if not part:
                    continue  # the initial state is zero
                self._activate(bit)
            self._put(at, width, part)

    def _mask(self, index: int) -> int:
        return self._read_part(OPMASK, 8 * index, 8)

    def _set_mask(self, index: int, value: int) -> None:
        self._write_part(OPMASK, 8 * index, 8, value)

    def _x87(self, index: int) -> int:
        return self._read_part(_X87, self._place(index), 10)

    def _set_x87(self, index: int, value: int) -> None:
        self._write_part(_X87, self._place(index), 10, value)

    def _place(self, index: int) -> int:
        """Return where a physical x87 register stands."""
        return 16 * (index - (self.fsw >> 11) & 7)

    def _read_part(self, bit: int, place: int, width: int) -> int:
        """Return `width` bytes of a component; zero when it is in its initial state."""
        return self._get(components()[bit].offset + place, width) if self._active(bit) else 0

    def _write_part(self, bit: int, place: int, width: int, value: int) -> None:
        """Store the low `width` bytes of a value in a component; zero leaves an initial state alone."""
        value &= (1 << 8 * width) - 1
        if value or self._active(bit):
            self._activate(bit)
            self._put(components()[bit].offset + place, width, value)

    def _get(self, offset: int, width: int) -> int:
        return _read(self._bytes, offset, width)

    def _put(self, offset: int, width: int, value: int) -> None:
        self._bytes[offset : offset + width] = value.to_bytes(width, "little")


class _Words(MutableSequence[int]):
    """A fixed number of registers behind two functions."""

    def __init__(self, count: int, read: Callable[[int], int], write: Callable[[int, int], None]) -> None:
        self._count = count
        self._read = read
        self._write = write

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is int and 0 <= index < self._count:
            return self._read(index)
        chosen = range(self._count)[index]
        return self._read(chosen) if isinstance(chosen, int) else [self._read(i) for i in chosen]

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is int and 0 <= index < self._count:
            self._write(index, value)
            return
        chosen = range(self._count)[index]
        if isinstance(chosen, int):
            self._write(chosen, value)
        else:
            for i, word in zip(chosen, value, strict=True):
                self._write(i, word)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("registers cannot be deleted")

    def insert(self, index: int, value: int) -> None:
        """Raise TypeError: the CPU has the registers it has."""
        raise TypeError("registers cannot be inserted")


@cache
def _vector_parts(index: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return where the parts of a vector register lie: the shift in the register; component, offset and width."""
    parts = [(0, _SSE, 16 * index, 16), (128, AVX, 16 * index, 16), (256, ZMM_HI256, 32 * index, 32)]
    if index >= 16:
        parts = [(0, HI16_ZMM, 64 * (index - 16), 64)]
    there = components()
    return tuple((shift, bit, there[bit].offset + at, width) for shift, bit, at, width in parts if bit in there)


def _bytes_at(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


def _read(area: memoryview, offset: int, width: int) -> int:
    return int.from_bytes(area[offset : offset + width], "little")
