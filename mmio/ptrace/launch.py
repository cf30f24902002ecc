"""Start a program so that it is traced and filtered from its first instruction on.

No code of pagetrap's runs in the new process before the program but a loop of three instructions, a static executable
made here: it waits to be seized. Everything between fork and exec that a C program would do by itself is then done to
it from outside, so that no Python runs in a forked child, whatever threads and locks this process has. The program's
arguments and environment are already on the loop's stack, where execve will find them.
"""

import os
import signal
import struct
from collections.abc import Mapping, Sequence
from typing import Final

# No program is linked there. Where programs are, a filter that `mmio.hosted` has left in this process traps calls.
_LOAD_ADDRESS: Final = 0x1000_0000_0000
_HEADERS: Final = 0x78
_LOOP: Final = bytes.fromhex("b822000000 0f05 ebf7")  # mov eax,34; syscall; jmp: pause() for ever

GATE: Final = _LOAD_ADDRESS + _HEADERS + 5
"""The address of its `syscall`."""


def launch(arguments: Sequence[str], environment: Mapping[str, str], descriptors: Mapping[int, int]) -> int:
    """Start the loop as a child with a program's arguments and environment; return its number.

    Args:
        arguments: of the program, its name first.
        environment: of the program.
        descriptors: by the number the program will know it under, a descriptor of this process.

    Raises:
        OSError: no process can be made, or memory files may not be executed here.
    """
    image = os.memfd_create("pagetrap-launch")
    try:
        os.write(image, _elf())
        return os.posix_spawn(
            f"/proc/self/fd/{image}",
            list(arguments),
            dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in descriptors.items()],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # which Python ignores, and a program does not expect so
        )
    finally:
        os.close(image)


def _elf() -> bytes:
    """Return the smallest 64-bit executable: one header, one readable and executable segment (elf(5))."""
    size = _HEADERS + len(_LOOP)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    start = _LOAD_ADDRESS + _HEADERS
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return ident + header + segment + _LOOP
