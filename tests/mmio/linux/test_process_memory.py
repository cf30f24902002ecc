"""Memory of processes by way of the kernel."""

import mmap
import os
import subprocess
from ctypes import addressof, c_char

import pytest

from mmio.linux.libc import PAGE, PROT_EXEC, PROT_NONE, map_code, protect
from mmio.linux.process_memory import read_code, read_memory, write_memory


def test_as_much_as_there_is() -> None:
    """What lies before a page that cannot be reached is read and written, and nothing where there is nothing."""
    area = mmap.mmap(-1, 2 * PAGE)
    start = addressof(c_char.from_buffer(area))
    protect(start + PAGE, PAGE, PROT_NONE)
    edge = start + PAGE
    assert write_memory(os.getpid(), edge - 3, b"abcdef") == 3
    assert read_memory(os.getpid(), edge - 4, 8) == b"\0abc"
    assert read_memory(os.getpid(), edge, 8) == b""
    assert write_memory(os.getpid(), 1 << 63, b"a") == 0


def test_a_process_that_is_gone() -> None:
    """There is no memory to be short of: that is an error of its own."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError, match=rf"process_vm_readv of process {process.pid}: No such process"):
        read_memory(process.pid, 0x1000, 1)


def test_code_that_may_only_be_executed_is_read_as_code() -> None:
    """A page with PROT_EXEC alone can be fetched from, whatever the CPU makes of that; one with nothing cannot."""
    code = map_code(b"\x90\xc3")
    protect(code, PAGE, PROT_EXEC)
    assert read_code(os.getpid(), code, 2) == b"\x90\xc3"
    protect(code, PAGE, PROT_NONE)
    assert read_code(os.getpid(), code, 2) == b""
