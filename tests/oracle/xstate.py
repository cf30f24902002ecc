"""Where the vector, mask and x87 registers stand in an XSAVE area.

The kernel hands the area over in the standard format (Intel SDM volume 1, 13.4): the legacy region of FXSAVE, a header
that names the parts that are not in their initial state, then one part per feature at an offset that CPUID leaf 0xD
tells. The upper parts of one register lie in up to three places.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

import attrs

from tests.oracle.case import ALL_VECTOR_BITS, VectorState
from tests.oracle.hidden import hidden

Cpuid = Callable[[int, int], tuple[int, int, int, int]]

_FCW, _MXCSR, _ST, _XMM, _HEADER = 0, 24, 32, 160, 512
_X87_BIT, _SSE_BIT = 0b1, 0b10
_LEGACY_SIZE = 512
_OSXSAVE = 1 << 27  # of CPUID.01H:ECX
_YMM, _OPMASK, _ZMM_UPPER, _ZMM_16_TO_31 = 2, 5, 6, 7  # state components, by their bit in XCR0
_FEATURE_OF = {_YMM: "AVX", _OPMASK: "AVX512F", _ZMM_UPPER: "AVX512F", _ZMM_16_TO_31: "AVX512F"}


@attrs.frozen
class Layout:
    """The XSAVE area of this machine: its size, and the offset of each optional component it has.

    On a CPU without XSAVE it is the area of FXSAVE, which has no header. `header` is the XSTATE_BV of an area that has
    all components, `bits` a one for each bit of vector state that is there.
    """

    size: int
    offsets: dict[int, int]
    header: int = attrs.field(init=False)
    bits: VectorState = attrs.field(init=False)

    @header.default
    def _name_components(self) -> int:
        return sum((1 << part for part in self.offsets), _X87_BIT | _SSE_BIT)

    @bits.default
    def _list_bits(self) -> VectorState:
        low = 512 if _ZMM_UPPER in self.offsets else 256 if _YMM in self.offsets else 128
        high = 512 if _ZMM_16_TO_31 in self.offsets else 0
        masks = 64 if _OPMASK in self.offsets else 0
        vector = ((1 << low) - 1,) * 16 + ((1 << high) - 1,) * 16
        return attrs.evolve(ALL_VECTOR_BITS, vector=vector, k=((1 << masks) - 1,) * 8)

    @classmethod
    def of_host(cls, cpuid: Cpuid) -> Layout:
        """Read the layout from CPUID leaf 0xD, without the components of hidden features.

        Without XSAVE that leaf is above the highest one, and an Intel CPU answers with another's data.
        """
        if not cpuid(1, 0)[2] & _OSXSAVE or "XSAVE" in hidden():
            return cls(_LEGACY_SIZE, {})
        supported, size, _, _ = cpuid(0xD, 0)
        parts = [part for part, feature in _FEATURE_OF.items() if supported >> part & 1 and feature not in hidden()]
        return cls(size, {part: cpuid(0xD, part)[1] for part in parts})

    def buffer(self) -> ctypes.Array[ctypes.c_char]:
        """An area to exchange with the kernel."""
        return ctypes.create_string_buffer(self.size)

    def pack(self, state: VectorState, buffer: ctypes.Array[ctypes.c_char]) -> None:
        """Write `state` to `buffer`; registers this machine does not have are left out."""
        top = state.fsw >> 11 & 7
        struct.pack_into("<HHBx", buffer, _FCW, state.fcw, state.fsw, state.ftw)
        struct.pack_into("<II", buffer, _MXCSR, state.mxcsr, 0)
        stack = [state.x87[(top + i) & 7].to_bytes(16, "little") for i in range(8)]
        wide = [value.to_bytes(64, "little") for value in state.vector]
        parts = {
            _ST: stack,
            _XMM: [value[:16] for value in wide[:16]],
            self.offsets.get(_YMM): [value[16:32] for value in wide[:16]],
            self.offsets.get(_OPMASK): [value.to_bytes(8, "little") for value in state.k],
            self.offsets.get(_ZMM_UPPER): [value[32:] for value in wide[:16]],
            self.offsets.get(_ZMM_16_TO_31): wide[16:],
        }
        view = memoryview(buffer).cast("B")
        for offset, pieces in parts.items():
            if offset is not None:
                data = b"".join(pieces)
                view[offset : offset + len(data)] = data
        if self.size > _LEGACY_SIZE:
            struct.pack_into("<QQ", buffer, _HEADER, self.header, 0)

    def unpack(self, buffer: ctypes.Array[ctypes.c_char], before: VectorState) -> VectorState:
        """Read a state from `buffer`; registers this machine does not have stay as they were `before`."""
        data = buffer.raw
        fcw, fsw, ftw = struct.unpack_from("<HHBx", data, _FCW)
        (mxcsr,) = struct.unpack_from("<I", data, _MXCSR)
        top = fsw >> 11 & 7
        stack = self._registers(data, _ST, 8, 16)
        wide = [value.to_bytes(64, "little") for value in before.vector]
        low = [data[_XMM + 16 * i : _XMM + 16 * i + 16] for i in range(16)]
        middle = self._slices(data, _YMM, 16, [value[16:32] for value in wide[:16]])
        high = self._slices(data, _ZMM_UPPER, 32, [value[32:] for value in wide[:16]])
        upper = self._slices(data, _ZMM_16_TO_31, 64, wide[16:])
        masks = self._slices(data, _OPMASK, 8, [value.to_bytes(8, "little") for value in before.k])
        whole = [b"".join(three) for three in zip(low, middle, high, strict=True)] + upper
        return VectorState(
            vector=tuple([int.from_bytes(value, "little") for value in whole]),
            k=tuple([int.from_bytes(value, "little") for value in masks]),
            mxcsr=mxcsr,
            x87=tuple([stack[(i - top) & 7] & (1 << 80) - 1 for i in range(8)]),
            fcw=fcw,
            fsw=fsw,
            ftw=ftw,
        )

    def _slices(self, data: bytes, part: int, width: int, otherwise: list[bytes]) -> list[bytes]:
        start = self.offsets.get(part)
        if start is None:
            return otherwise
        return [data[start + width * i : start + width * (i + 1)] for i in range(len(otherwise))]

    @staticmethod
    def _registers(data: bytes, start: int, count: int, width: int) -> list[int]:
        return [int.from_bytes(data[start + width * i : start + width * (i + 1)], "little") for i in range(count)]
