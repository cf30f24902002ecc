"""Reserve the pages of devices at addresses where a program has mapped nothing.

Programs written for a board have its devices at fixed addresses, and map nothing. The pages are *reserved*, by a
mapping that nothing may access: an access is then the same fault as one to a trapped mapping, and the kernel
does not put there what it places by itself, such as memory from malloc, the heap or a thread's stack. A program that
maps something there on purpose gets it, and the device answers as before; when it is unmapped, the pages are reserved
anew. A program can notice this by a line of /proc/self/maps, and because mprotect(2), msync(2) and similar calls do not
fail with ENOMEM.

Pages that no process can map (below vm.mmap_min_addr, or at the very end of 32-bit addresses) cannot be reserved, and
need not be: an access there faults as well.
"""

from typing import Final

from mmio.linux.libc import PROT_NONE
from mmio.linux.syscall_table import NUMBERS
from mmio.program.process import Process
from mmio.program.targets import merged, without
from mmio.program.thread import StoppedThread

_FLAGS: Final = 0x104022  # MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_ANONYMOUS, MAP_PRIVATE
_NO_FILE: Final = (1 << 64) - 1


def reserve(thread: StoppedThread, start: int, end: int) -> None:
    """Reserve free pages in a thread's process, and trap them, unless something is mapped there by then."""
    process = thread.process
    place = None
    try:
        place = thread.make_call(_number(process, "mmap"), start, end - start, PROT_NONE, _FLAGS, _NO_FILE, 0)
    except FileExistsError:
        return
    except OSError:
        pass  # for want of address space, too: the device answers, only something else may come to be there
    else:
        place &= (1 << process.bits) - 1
        if place != start:  # a kernel before 4.17 takes the address for a hint
            thread.make_call(_number(process, "munmap"), place, end - start)
    if place == start:
        process.reserved = merged([*process.reserved, (start, end)])
    else:
        process.reserved = without(process.reserved, start, end)
    process.trap_unmapped(start, end)


def release(thread: StoppedThread, start: int, end: int) -> None:
    """Unmap what is reserved between two addresses. The pages stay trapped, so that devices answer all the same."""
    for first, last in thread.process.reserved_in(start, end):
        thread.make_call(_number(thread.process, "munmap"), first, last - first)


def _number(process: Process, name: str) -> int:
    if name == "mmap" and process.bits == 32:
        name = "mmap2"
    return NUMBERS[process.bits][name]
