"""IO ports of this machine as a device: each access is one IN or OUT of the same width.

`/dev/port` would not do: it moves a byte at a time, and a device may well know two bytes from a word. So the
instruction is executed here, which takes the right to: `ioperm(2)`, the lesser one beside `iopl`, reaches every port
since Linux 2.6.8. This thread has it for the length of an access and no longer. So nothing we start inherits it, and
code of this process that is meant to trap at ports continues to do so.

The listing is position-independent.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_int, c_uint32, c_ulong
from functools import cache
from typing import Final

from mmio.linux import libc, listing

PORTS: Final = 1 << 16
"""How many there are."""

LISTING: Final = """
read 1: edi the port.
    89fa                     mov edx,edi
    ec                       in al,dx
    0fb6c0                   movzx eax,al
    c3                       ret
read 2: the same.
    89fa                     mov edx,edi
    66ed                     in ax,dx
    0fb7c0                   movzx eax,ax
    c3                       ret
read 4: the same.
    89fa                     mov edx,edi
    ed                       in eax,dx
    c3                       ret
write 1: edi the port, esi the value.
    89fa                     mov edx,edi
    89f0                     mov eax,esi
    ee                       out dx,al
    c3                       ret
write 2: the same.
    89fa                     mov edx,edi
    89f0                     mov eax,esi
    66ef                     out dx,ax
    c3                       ret
write 4: the same.
    89fa                     mov edx,edi
    89f0                     mov eax,esi
    ef                       out dx,eax
    c3                       ret
"""

_MODEL: Final = "a model answers without: pagetrap run --device FILE.py:CLASS@ports:{:#x}+{}"
_REASONS: Final = {
    errno.EPERM: "that takes root with the capability SYS_RAWIO, and a kernel that is not locked down "
    "(/sys/kernel/security/lockdown says whether it is)",
    errno.ENOSYS: "this kernel lets no program do that, it was built without CONFIG_X86_IOPL_IOPERM",
}

libc.LIBC.ioperm.argtypes = (c_ulong, c_ulong, c_int)


class RealPorts:
    """The ports from 0 on: an offset is a port's number."""

    length = PORTS

    def read(self, port: int, width: int) -> int:
        """Read 1, 2 or 4 bytes by one IN. Raises as `reaching` does."""
        with reaching(port, width):
            return _function("read", width)(port, 0)

    def write(self, port: int, width: int, value: int) -> None:
        """Write 1, 2 or 4 bytes by one OUT. Raises as `reaching` does."""
        with reaching(port, width):
            _function("write", width)(port, value)


@contextmanager
def reaching(port: int, count: int) -> Iterator[None]:
    """Permit this thread to use ports for the time of a `with` statement.

    Raises:
        OSError: the kernel refuses; the message says why and what else can be done.
    """
    try:
        permit(port, count, True)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror)
        problem = f"IO ports {port:#x}..{port + count:#x} of this machine cannot be reached: {reason}"
        raise OSError(error.errno, f"{problem}; {_MODEL.format(port, count)}") from None
    try:
        yield
    finally:
        permit(port, count, False)


def permit(port: int, count: int, allowed: bool) -> None:
    """Ask the kernel for the right to ports, or give it back. Raises OSError."""
    libc.check(libc.LIBC.ioperm(port, count, allowed), "ioperm")


@cache
def _function(verb: str, width: int) -> Callable[[int, int], int]:
    labels, _ = listing.read(LISTING)
    return CFUNCTYPE(c_uint32, c_uint32, c_uint32)(_code() + labels[f"{verb} {width}"])


@cache
def _code() -> int:
    return libc.map_code(listing.code(LISTING))
