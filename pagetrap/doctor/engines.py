"""Trials of the engines: a device in Python, and code of each kind that reads from it."""

import os
import struct
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Final

from pagetrap.doctor import child
from pagetrap.doctor.finding import Finding, Status

ENGINES: Final = {
    "inprocess": "drivers in this process, a signal an access: mmio.ioremap",
    "patching": "drivers in this process, a call an access",
    "ptrace": "programs: trace, attach, run",
    "hosted": "programs in this process: run --engine=inprocess",
    "guest": "kernel drivers: boot",
}
"""The engines, and what each is for."""

NEEDED: Final = ("inprocess", "patching", "ptrace", "hosted")
"""Those that work wherever nothing forbids them. Guests need programs that are not pagetrap's."""

_ADDRESS: Final = 0x50000000
_VALUE: Final = 42

_DEVICE: Final = f"""\
class Probe:
    length = 0x1000

    def read(self, offset, width):
        return {_VALUE}

    def write(self, offset, width, value):
        pass
"""
_INPROCESS: Final = f"""{_DEVICE}
import ctypes, mmap, sys, tempfile
import mmio

patching = sys.argv[1] == "patching"
file = tempfile.TemporaryFile()
file.write(bytes.fromhex("8b07c3").ljust(4096, b"\\xcc"))  # mov eax,[rdi]; ret
file.flush()
page = mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), 4096, mmap.PROT_READ | mmap.PROT_EXEC):  # as a library's code
    sys.exit("a private mapping of a file cannot be made executable")
load = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)(start)
with mmio.ioremap(Probe(), patching=patching) as mapping:
    for _ in range(100):
        if load(mapping.address) != {_VALUE}:
            sys.exit("the value that was read is not the device's")
    stats = mapping.stats
if patching and not stats.calls:
    sys.exit("no instruction was patched: " + ", ".join(stats.unpatched))
print(f"{{stats.signals}} accesses by a signal, {{stats.calls}} by a call")
"""
_GUEST: Final = """\
import sys
from mmio.guests.initramfs import find_busybox
from mmio.guests.kernels import find_kernel
from mmio.guests.qemu import find_qemu

try:
    qemu, kernel, busybox = find_qemu(), find_kernel(), find_busybox()
except Exception as error:
    sys.exit(str(error).replace("\\n", " "))
print(f"QEMU {qemu.version}, kernel {kernel.release}; not booted")
"""


def engines(obstacle: str | None) -> Iterator[Finding]:
    """Yield whether each engine works.

    Args:
        obstacle: why none is tried, None when nothing is known to be in the way.
    """
    for engine, purpose in ENGINES.items():
        outcome = child.Outcome(1, "", f"not tried: {obstacle}") if obstacle else _try(engine)
        told = outcome.output.strip() if outcome.succeeded else outcome.reason
        otherwise: Status = "failed" if engine in NEEDED else "absent"
        yield Finding(engine, "ok" if outcome.succeeded else otherwise, f"{purpose}; {told}", engine)


def _try(engine: str) -> child.Outcome:
    if engine in ("inprocess", "patching"):
        return child.python(_INPROCESS, engine)
    if engine == "guest":
        return child.python(_GUEST)
    return _program("ptrace" if engine == "ptrace" else "inprocess")


def _program(engine: str) -> child.Outcome:
    """Run a program whose exit status is the value that it reads from a device."""
    with TemporaryDirectory(prefix="pagetrap-doctor-") as folder:
        program, device = os.path.join(folder, "probe"), os.path.join(folder, "probe.py")
        with open(program, "wb") as file:
            file.write(executable())
        os.chmod(program, 0o700)
        with open(device, "w", encoding="utf-8") as text:
            text.write(_DEVICE)
        where = f"{device}:Probe@range:{_ADDRESS:#x}+0x1000"
        command = [sys.executable, "-m", "mmio", "run", "-q", f"--engine={engine}", "--device", where, "--", program]
        outcome = child.run(command)
    if outcome.status == _VALUE:
        return child.Outcome(0, "a program has read from a device", "")
    return outcome._replace(status=1, reason="the program has read no value") if outcome.succeeded else outcome


def executable() -> bytes:
    """Return a static program for x86-64 that reads four bytes at `_ADDRESS` and exits with them (elf(5)).

    It may lie anywhere: a program at a fixed address cannot be hosted by a Python that is at one, as Debian's is.
    """
    code = bytes.fromhex("8b3c25") + struct.pack("<I", _ADDRESS)  # mov edi,[_ADDRESS]
    code += bytes.fromhex("b8e70000000f05")  # mov eax,231 (exit_group); syscall
    start = 64 + 56
    size = start + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 0x1000)  # PT_LOAD, readable and executable
    return header + segment + code
