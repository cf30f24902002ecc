"""Machine code that calls a device directly, and the words it uses, one page on: `direct_entry.py`, `direct_exit.py`.

Both live as long as the process: a thread may be in there at any time. There is no unwind information for the code: a
thread that Python ends while it is in a direct call is unwound up to there, and nothing of the driver's is.
"""

import ctypes
import sys
from ctypes import c_uint64, c_void_p
from typing import Any, Final

from mmio.linux import libc, listing, xsave
from mmio.linux.direct_entry import DIRECT_ENTRY
from mmio.linux.direct_exit import DIRECT_EXIT
from mmio.linux.libc import LIBC, PAGE
from mmio.linux.trampoline import trampoline

LISTING: Final = DIRECT_ENTRY + DIRECT_EXIT

# Words of the data page: objects of Python by their addresses, and the C functions that direct calls use.
_PENDING: Final = 0  # a dict and a list that must be empty
_WAITING: Final = 1
_OUTCOMES: Final = 2  # a dict for what a device has answered, or raised, when a frame is made afterwards; by its key
_ENABLED: Final = 3  # the name of the attribute that says whether a trace records
_LEVEL: Final = 4  # vector registers of the CPU: 0 for XMM, 1 for YMM, 2 for ZMM and masks of 64 bits
_OBJECTS: Final = 5  # int, True, False and None, and the functions
_FUNCTIONS: Final = (
    *("PyLong_FromUnsignedLongLong", "PyLong_AsUnsignedLongLong", "PyObject_Vectorcall", "PyObject_GetAttr"),
    *("PyDict_Size", "PyList_Size", "PyDict_SetItem", "PyTuple_Pack", "PyErr_Occurred", "PyErr_Clear", "PyErr_Fetch"),
    *("PyByteArray_Size", "PyByteArray_Resize", "PyByteArray_AsString", "Py_IncRef", "Py_DecRef"),
    *("PyGILState_GetThisThreadState", "PyGILState_Ensure", "PyGILState_Release", "PyBytes_FromStringAndSize"),
)
_C_FUNCTIONS: Final = ("__errno_location", "clock_gettime")
_NAME: Final = "enabled"
_WIDE: Final = int.from_bytes, int.to_bytes, "little"  # for values of more than eight bytes
_UPPER: Final = xsave.AVX, xsave.ZMM_HI256
_AREA: Final = 0x7C0  # bytes that `device call` has for the upper halves of YMM and ZMM, in an XSAVE area
_AVX512BW: Final = 1 << 30  # in EBX of CPUID leaf 7


class DeviceCall:
    """The code in memory, for one engine.

    Args:
        pending: exceptions that are to be raised at the next access.
        waiting: functions to be called after an access. A frame is made while one of both is not empty.
        outcomes: what devices have done, see `mmio/live/direct_calls.py`.

    Attributes:
        call: the address of `device call`.
        can_save: the address of `can save`.
    """

    def __init__(self, pending: dict[int, Any], waiting: list[Any], outcomes: dict[int, Any]) -> None:
        self._kept = pending, waiting, outcomes, _NAME
        labels, lines = listing.read(LISTING)
        code = b"".join(line.code for line in lines)
        start = libc.map_pages(2 * PAGE, libc.PROT_READ | libc.PROT_WRITE)
        ctypes.memmove(start, code, len(code))
        libc.protect(start, PAGE, libc.PROT_READ | libc.PROT_EXEC)
        self.call, self.can_save = start + labels["device call"], start + labels["can save"]
        self._words = words = (c_uint64 * (PAGE // 8)).from_address(start + PAGE)
        for index, each in zip((_PENDING, _WAITING, _OUTCOMES, _ENABLED), self._kept, strict=True):
            words[index] = id(each)
        found = [id(each) for each in (int, True, False, None)]
        found += [libc.address_of(getattr(ctypes.pythonapi, name)) for name in _FUNCTIONS]
        found += [libc.address_of(getattr(LIBC, name)) for name in _C_FUNCTIONS]
        found += [*map(id, _WIDE), libc.address_of(ctypes.pythonapi.PyBytes_AsString)]
        for index, object_or_function in enumerate(found, _OBJECTS):
            words[index] = object_or_function

    def prepare(self, features: int, tells_use: bool) -> bool:
        """Note what registers this CPU has; return whether direct calls are possible with them and this Python.

        Args:
            features: the state components that the kernel saves (XFEATURES).
            tells_use: XGETBV tells which of them are in use.
        """
        wide = features >> xsave.HI16_ZMM & 1
        self._words[_LEVEL] = 2 if wide else features >> xsave.AVX & 1
        known = trampoline().cpuid(7)[1] & _AVX512BW or not wide
        header = c_void_p.from_address(id(1 << 62) + 8).value == id(int)  # where an object has its type
        locked = "t" not in sys.abiflags  # sysconfig would open a file, at a number that the program may count on
        room = all(offset + size <= _AREA for bit, (offset, size) in xsave.components().items() if bit in _UPPER)
        return bool(tells_use and known and header and locked and room)
