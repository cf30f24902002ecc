"""Handle the system calls of a program: follow mappings, grant ports, redirect files.

A call is dealt with before it is made, where it can still be changed or answered, and again where it returns. All other
calls go their way.
"""

import os
import struct
from typing import Final
from weakref import WeakKeyDictionary

from mmio.linux.descriptors import descriptor_path, descriptor_state, duplicate_descriptor
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_NONE, PROT_WRITE, pages
from mmio.linux.seccomp import WINDOW
from mmio.linux.syscall_table import NAMES, NUMBERS, OPENING, PATHS, TRANSFERS, TREE_PATHS
from mmio.live.memory import Unreachable
from mmio.program import port_calls, reserved_pages
from mmio.program.bounce_buffers import bounce
from mmio.program.bounce_unknown import bounce_unknown
from mmio.program.kernel_access import KernelAccess
from mmio.program.locks import Locks
from mmio.program.memory import shared_object
from mmio.program.process import Process, map_shared
from mmio.program.ranges import next_untrapped
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.program.thread import Call, StoppedThread
from mmio.program.time_calls import POLLING, RULES
from mmio.program.time_stop import TimeCalls
from mmio.program.virtual_time import VirtualTime

_MAP_SHARED_KINDS: Final = (1, 3)  # MAP_SHARED, MAP_SHARED_VALIDATE
_MAP_KIND: Final = 0xF
_MAP_REPLACES: Final = 0x10  # MAP_FIXED
_MAP_FIXED: Final = _MAP_REPLACES | 0x100000
_MAP_ANONYMOUS: Final = 0x20
_MREMAP_DONTUNMAP: Final = 4
_NO_FILE: Final = 0xFFFFFFFF
_EFAULT: Final = 14
_ON_FAULT: Final = 1  # MLOCK_ONFAULT, asm-generic/mman-common.h


class SystemCalls:
    """The handling of system calls for one tracer.

    Attributes:
        time: deals with calls about time; None where they have the host's.
    """

    def __init__(self, targets: Targets, redirects: Redirects) -> None:
        self.targets = targets
        self._redirects = redirects
        self.time: TimeCalls | None = None
        self._locks: WeakKeyDictionary[Process, Locks] = WeakKeyDictionary()

    def entered(self, thread: StoppedThread, call: Call) -> None:
        """Deal with a call before it is made. What is left to do when it returns is in `thread.on_exit`."""
        name = NAMES[call.bits].get(call.number)
        if name is None:
            bounce_unknown(thread, call)
            return
        try:
            if self.time is None or not self.time.entered(thread, name, call, KernelAccess(thread, call)):
                self.dispatch(thread, name, call)
        except Unreachable:  # a buffer that is not all there
            thread.on_exit = None
            thread.answer_call(-_EFAULT)

    def follow_time(self) -> TimeCalls | None:
        """Begin to deal with calls about time as the targets say; return what does so, None for the host's time."""
        clock = self.targets.clock
        if self.time is None and clock is not None:
            self.time = TimeCalls(VirtualTime(clock, follows=bool(self.targets.time_calls)), RULES, POLLING)
            self._redirects.uio.time = self.time
        return self.time

    def bounced(self, thread: StoppedThread, call: Call) -> bool:
        """Give a call that an engine makes itself copies of its trapped buffers; return whether it has any."""
        name = NAMES[call.bits].get(call.number)
        return name is not None and bounce(thread, name, call, KernelAccess(thread, call))

    def dispatch(self, thread: StoppedThread, name: str, call: Call) -> None:
        """Deal with a call by its name."""
        match name:
            case "mmap" if call.bits == 32:
                self._old_mmap(thread, call)
            case "mmap" | "mmap2":
                self._mmap(thread, call, call.arguments[5] * (PAGE if name == "mmap2" else 1))
            case "munmap":
                self._munmap(thread, call)
            case "mremap":
                self._mremap(thread, call)
            case "remap_file_pages":
                self._remap_file_pages(thread, call)
            case "mprotect":
                self._mprotect(thread, call)
            case "brk":
                thread.on_exit = lambda: self.trap_ranges(thread)
            case "iopl" | "ioperm":
                if self.targets.ports:
                    self.targets.matched.update(self.targets.ports)
                    port_calls.entered(thread, name, call)
            case "mlock" | "mlock2":
                self._mlock(thread, call)
            case "futex" | "futex_time64":
                self._locks.setdefault(thread.process, Locks()).entered(thread, name, call, KernelAccess(thread, call))
            case _:
                access = KernelAccess(thread, call)
                answered = False
                if name in OPENING or name in PATHS or name in TREE_PATHS:
                    answered = self._redirects.path_call(thread, name, call, access)
                elif name in TRANSFERS:
                    answered = self._redirects.transfer(thread, name, call, access)
                if not answered:
                    bounce(thread, name, call, access)

    def trap_ranges(self, thread: StoppedThread) -> None:
        """Trap what was mapped where a range target is, and where a device is what is not mapped any more.

        The thread is in no call, or at its end.
        """
        while (found := next_untrapped(thread.process, thread.pid)) is not None:
            start, end, mapping = found
            if mapping is None:
                reserved_pages.reserve(thread, start, end)
                continue
            source = map_shared(thread.pid, mapping) if mapping.shared else None
            make(thread, "mprotect", start, end - start, PROT_NONE)
            thread.process.trap_range(start, end, mapping, source)

    def _old_mmap(self, thread: StoppedThread, call: Call) -> None:
        """Deal with the mmap of 32-bit calls, whose arguments are in memory, as with mmap2."""
        data = KernelAccess(thread, call).read(call.arguments[0], 24)
        words = struct.unpack("<6I", data)
        self._mmap(thread, Call(NUMBERS[32]["mmap2"], (*words[:5], words[5] // PAGE), 32), words[5])

    def _mmap(self, thread: StoppedThread, call: Call, offset: int) -> None:
        address, length, protection, flags, descriptor, _ = call.arguments
        process = thread.process
        descriptor &= 0xFFFFFFFF
        if address and not flags & _MAP_REPLACES:  # it is taken if nothing is there, and what is reserved is nothing
            reserved_pages.release(thread, address // PAGE * PAGE, address // PAGE * PAGE + pages(length))
        path, found = "", []
        if not flags & _MAP_ANONYMOUS:
            path = self._redirects.stand_in(thread, descriptor) or descriptor_path(thread.pid, descriptor)
            found = self.targets.of_file(path, descriptor, executable=bool(protection & PROT_EXEC))
        shared = flags & _MAP_KIND in _MAP_SHARED_KINDS
        if not found or not _may_map(thread.pid, descriptor, shared, protection):

            def mapped() -> None:
                start = thread.call_result
                if flags & _MAP_FIXED and not _failed(start):
                    process.cut(start, start + pages(length))
                self.trap_ranges(thread)

            if flags & _MAP_FIXED or self.targets.ranges:
                thread.on_exit = mapped
            return

        source = None
        if shared and not any(target.device is not None for target in found):
            ours = duplicate_descriptor(thread.group, descriptor)
            source = shared_object(ours, offset, length, bool(protection & PROT_WRITE))
        changed = dict(enumerate(call.arguments)) | {2: PROT_NONE}
        if self._redirects.uio.device(path) is not None:  # whose descriptor is of no file that can be mapped
            changed |= {3: flags | _MAP_ANONYMOUS, 4: _NO_FILE, 5: 0}
        if call.bits == 64 and not address and not flags & _MAP_FIXED:
            changed[0] = process.hint(length)
        thread.set_call(call.number, changed, call.bits)

        def trapped() -> None:
            start = thread.call_result
            thread.restore_call()
            if not _failed(start):
                process.cut(start, start + pages(length))
                process.trap_file(start, length, protection, offset, path, found, source)
                if start not in WINDOW:  # the filter does not know the place
                    process.watch_every_call()
            self.trap_ranges(thread)

        thread.on_exit = trapped

    def _munmap(self, thread: StoppedThread, call: Call) -> None:
        start, length = call.arguments[:2]
        process = thread.process

        def unmapped() -> None:
            if thread.call_result == 0:
                process.cut_mapped(start, start + pages(length))
                if self.targets.fixed_devices:
                    self.trap_ranges(thread)

        thread.on_exit = unmapped

    def _mremap(self, thread: StoppedThread, call: Call) -> None:
        old, old_length, length, flags = call.arguments[:4]
        process = thread.process
        if process.reserved_in(old, old + max(old_length, 1)):  # where the program has nothing to move
            thread.answer_call(-_EFAULT)
            return
        stays = not old_length or flags & _MREMAP_DONTUNMAP  # without an old length it is a second mapping that is made

        def moved() -> None:
            start = thread.call_result
            if _failed(start):
                return
            end = old + (pages(old_length) or PAGE)
            found = process.pieces(old, end) if stays else process.cut(old, end)
            process.cut(start, start + pages(length))
            for trapped in found:
                process.move(trapped, start + trapped.start - old, length - (trapped.start - old))
            if process.trapped_in(start, start + 1) and start not in WINDOW:
                process.watch_every_call()
            self.trap_ranges(thread)

        thread.on_exit = moved

    def _remap_file_pages(self, thread: StoppedThread, call: Call) -> None:
        """Follow pages of a shared mapping that show another part of their file from now on (remap_file_pages(2))."""
        start, length, _, page = call.arguments[:4]
        start, end = start // PAGE * PAGE, start // PAGE * PAGE + length // PAGE * PAGE

        def remapped() -> None:
            if thread.call_result == 0:
                for piece in thread.process.cut(start, end):
                    thread.process.show(piece, start, page * PAGE)

        thread.on_exit = remapped

    def _mlock(self, thread: StoppedThread, call: Call) -> None:
        """Lock trapped pages as they come to be used: the kernel cannot fault them in at once, and would fail."""
        start, length = call.arguments[:2]
        found = thread.process.trapped_in(start, start + length)
        if found and all(trapped.protection for trapped in found):
            thread.set_call(NUMBERS[call.bits]["mlock2"], {2: _ON_FAULT}, call.bits)
            thread.on_exit = thread.restore_call

    def _mprotect(self, thread: StoppedThread, call: Call) -> None:
        start, length, protection = call.arguments[:3]
        end = start + pages(length)
        process = thread.process
        pieces = process.trapped_in(start, end)
        if not pieces:
            return
        whole = all(start >= piece.start and end <= piece.end for piece in pieces)
        if whole:  # it stays as it is; only what the program thinks of it changes
            thread.set_call(call.number, {2: PROT_NONE}, call.bits)

        def protected() -> None:
            failed = thread.call_result != 0
            if whole:
                thread.restore_call()
            if failed:
                return
            process.protect(start, end, protection)
            if not whole:
                for piece in process.trapped_in(start, end):
                    make(thread, "mprotect", piece.start, piece.end - piece.start, PROT_NONE)

        thread.on_exit = protected


def make(thread: StoppedThread, name: str, *arguments: int) -> int:
    """Make a system call by its name in a thread's name; return the result. Raises OSError."""
    return thread.make_call(NUMBERS[thread.process.bits][name], *arguments)


def _failed(result: int) -> bool:
    return -4096 < result < 0


def _may_map(pid: int, descriptor: int, shared: bool, protection: int) -> bool:
    """Return whether the kernel will let a file be mapped so, which it cannot judge by the protection it is given."""
    mode = descriptor_state(pid, descriptor)[1] & os.O_ACCMODE
    return mode != os.O_WRONLY and (mode == os.O_RDWR or not shared or not protection & PROT_WRITE)
