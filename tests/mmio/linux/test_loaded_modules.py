"""What is loaded, and whose it is."""

import ctypes
from pathlib import Path

from mmio.linux.libc import LIBC, address_of
from mmio.linux.loaded_modules import is_runtime, segments
from tests.native import build_c


def test_a_library_is_found_with_all_its_memory(tmp_path: Path) -> None:
    """Static data lies in a segment of its module, and so does what starts as zeros and is in no file."""
    path = build_c("int one = 1; char zeros[100000]; int *get(void) { return &one; }", tmp_path)
    library = ctypes.CDLL(str(path))
    for address in (
        ctypes.addressof(ctypes.c_int.in_dll(library, "one")),
        ctypes.addressof((ctypes.c_char * 100000).in_dll(library, "zeros")) + 99999,
        address_of(library.get),
    ):
        assert [part.module for part in segments() if part.start <= address < part.end] == [str(path)]
    assert not is_runtime(str(path))


def test_the_handler_needs_python_and_the_c_library() -> None:
    """The program, the C library and Python's extensions are what the handler itself needs."""
    import _ctypes

    home = next(part.module for part in segments() if part.start <= address_of(LIBC.malloc) < part.end)
    assert is_runtime(home)
    assert is_runtime("")
    assert is_runtime(_ctypes.__file__)
    assert not is_runtime("/opt/vendor/libdriver.so")
