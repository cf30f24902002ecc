"""Redirect files that a program opens: to devices, or to another file.

A file a device answers for is opened as a *stand-in*: an empty memory file, whose name is the path of the real one, as
long as the devices reach. Thus the program has a real descriptor, to duplicate, inherit, seek, map and close; what is
mapped of it is trapped as any target is, and what is read from it and written to it comes here. Whether the real file
exists on this machine does not matter, and it is never opened.
"""

import os
from collections.abc import Callable
from typing import Final

from decode import WRITE
from mmio.linux.descriptors import descriptor_path, descriptor_state, duplicate_descriptor
from mmio.linux.libc import pages
from mmio.linux.proc_files import read_link
from mmio.linux.process_memory import write_memory
from mmio.linux.syscall_table import NUMBERS, OPENING, SIGNATURES
from mmio.program.kernel_access import KernelAccess, by_kernel, gather, scatter
from mmio.program.program_timers import EVENT_FILE
from mmio.program.syscall_buffers import buffers
from mmio.program.targets import Targets, extent_of
from mmio.program.thread import Call, StoppedThread
from mmio.program.uio_opens import UioOpens
from mmio.space.initiator import Initiator
from mmio.space.policy import Policy
from mmio.space.region import Region
from mmio.space.space import AddressSpace

_PREFIX: Final = "/memfd:pagetrap:"
_EFAULT: Final = 14
_AT_CWD: Final = 0xFFFFFF9C  # AT_FDCWD, -100, as the low half of an argument
_CLOSE_ON_EXEC: Final = 1  # MFD_CLOEXEC
_SEEK_SET: Final = 0
_LONGEST_NAME: Final = 200  # memfd_create(2) takes 249 bytes, its prefix among them
_LONGEST: Final = 1 << 20
_LONGEST_PATH: Final = 4096
_PORTS: Final = 1 << 16
_DEVICE_PORTS: Final = "/dev/port"
_SUBSTITUTE: Final = "/dev/null"  # what is asked about in place of a file that devices answer for


class Redirects:
    """The files that are answered in place of others.

    Args:
        targets: which ones.
        space_of: the thread's accesses to files that devices answer are made in an address space of the file's.
    """

    def __init__(self, targets: Targets, trace: Callable[[], AddressSpace]) -> None:
        self._targets = targets
        self._new_space = trace
        self._long_paths: list[str] = []  # what a memory file cannot be called, by the number it is called instead
        self._spaces: dict[str, AddressSpace] = {}
        self.uio = UioOpens(targets)

    def stand_in(self, thread: StoppedThread, descriptor: int) -> str | None:
        """Return the path of the file a descriptor stands in for, None when it is an ordinary one."""
        path = descriptor_path(thread.pid, descriptor)
        if not path.startswith(_PREFIX):
            return self.uio.path(thread, descriptor) if path == EVENT_FILE else None
        name = path.removeprefix(_PREFIX)
        return self._long_paths[int(name)] if name.isdigit() else name

    def path_call(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess) -> bool:
        """Deal with a call that names a file, before it is made; return whether it is about a redirected one."""
        index = next(i for i, part in enumerate(SIGNATURES[call.bits][name]) if part and part.kind == "path")
        directory = call.arguments[0] & 0xFFFFFFFF if index else _AT_CWD
        path = _resolved(thread, directory, _string(access, call.arguments[index]))
        if path is None:
            return False
        path = self._targets.named(path)
        if self._answers(path):
            if path == _DEVICE_PORTS:
                self._targets.matched.update(self._targets.answered_ports)
            if name in OPENING:
                self._open_stand_in(thread, name, call, path)
            else:
                _substitute(thread, call, index, self._targets.in_tree(path) or _SUBSTITUTE)
            return True
        other = self._targets.redirected(path)
        if other is not None:
            _substitute(thread, call, index, os.path.abspath(other))
        return other is not None

    def transfer(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess) -> bool:
        """Deal with a read or write, before it is made; return whether it is of a file that devices answer for."""
        descriptor = call.arguments[0] & 0xFFFFFFFF
        path = self.stand_in(thread, descriptor)
        if path is None or name == "lseek":
            return False
        if self.uio.device(path) is not None:
            self.uio.transfer(thread, name, call, access, path)
            return True
        position = descriptor_state(thread.pid, descriptor)[0]
        absolute = name.startswith("p")
        if absolute:
            position = call.arguments[3] if call.bits == 64 else call.arguments[3] | call.arguments[4] << 32
        done, failed = 0, False
        whole = buffers(name, call, access).get(1)
        if whole is None:
            pieces = []
            failed = bool(call.arguments[2])
        else:
            pieces = [pointer.buffer for pointer in whole.pointers] if whole.contents else [whole]
        for piece in pieces:
            left = max(self._extent(path) - position - done, 0)
            if piece.length > left:
                self._targets.wanted(path, position + done + piece.length)
            wanted = min(piece.length, left, _LONGEST)
            stretch = access.stretch(piece.address, wanted, write=piece.direction == WRITE)
            length = stretch.end - stretch.start
            if piece.direction == WRITE:
                data = self._read(thread, path, position + done, length)
                scatter(thread, piece.address, data, call.bits)
            else:
                self._write(thread, path, position + done, gather(thread, piece.address, length, call.bits))
            done += length
            if length < wanted:
                failed = True
                break
        if failed and not done:
            thread.answer_call(-_EFAULT)
            return True
        if absolute:
            thread.answer_call(done)
        else:  # the position moves on
            moved = NUMBERS[call.bits]["lseek"]
            thread.set_call(moved, {0: descriptor, 1: position + done, 2: _SEEK_SET}, call.bits)
            thread.on_exit = lambda: thread.restore_call(done)
        return True

    def _answers(self, path: str) -> bool:
        return self._targets.answers(path) or (path == _DEVICE_PORTS and bool(self._targets.answered_ports))

    def _extent(self, path: str) -> int:
        extent = self._targets.extent(path)
        return extent or (_PORTS if path == _DEVICE_PORTS else 0)

    def _open_stand_in(self, thread: StoppedThread, name: str, call: Call, path: str) -> None:
        """Turn an open into the making of a memory file."""
        flags = 0 if name in ("creat", "openat2") else call.arguments[1 if name == "open" else 2]
        if self.uio.device(path) is not None:
            self.uio.open(thread, call, path, flags)
            return
        title = os.fsencode(path)
        if len(title) > _LONGEST_NAME:
            if path not in self._long_paths:
                self._long_paths.append(path)
            title = b"%d" % self._long_paths.index(path)
        place = thread.buffer(_LONGEST_NAME + 16)
        write_memory(thread.pid, place, b"pagetrap:" + title + b"\0")
        close_on_exec = _CLOSE_ON_EXEC if flags & os.O_CLOEXEC else 0
        thread.set_call(NUMBERS[call.bits]["memfd_create"], {0: place, 1: close_on_exec}, call.bits)

        def opened() -> None:
            descriptor = thread.call_result
            if descriptor >= 0:
                ours = duplicate_descriptor(thread.group, descriptor)
                os.ftruncate(ours, pages(self._extent(path)))
                os.close(ours)
            thread.restore_call()

        thread.on_exit = opened

    def _read(self, thread: StoppedThread, path: str, position: int, length: int) -> bytes:
        data = b""
        with by_kernel(thread) as bus:
            file = self._bus(thread, path, bus)
            for at, width in _words(path, position, length):
                read = bus.port_read if path == _DEVICE_PORTS else file.read
                data += read(at, width).to_bytes(width, "little")
        return data

    def _write(self, thread: StoppedThread, path: str, position: int, data: bytes) -> None:
        with by_kernel(thread) as bus:
            file = self._bus(thread, path, bus)
            for at, width in _words(path, position, len(data)):
                write = bus.port_write if path == _DEVICE_PORTS else file.write
                write(at, width, int.from_bytes(data[at - position : at - position + width], "little"))

    def _bus(self, thread: StoppedThread, path: str, bus: Initiator) -> Initiator:
        """Return a bus for the bytes of a file, which records as the thread's does."""
        file = self.initiator(path, thread.pid)
        file.ip, file.instruction = bus.ip, bus.instruction
        file.trace, file.flags = bus.trace, bus.flags
        return file

    def initiator(self, path: str, thread: int) -> Initiator:
        """Return a bus for the bytes of a file; `thread` is the number in the records."""
        space = self._spaces.get(path)
        if space is None:
            space = self._spaces[path] = self._new_space()
            for target in self._targets.of_file(path):
                if target.device is not None:
                    name, policy = target.name or path, Policy(**self._targets.policies(target.policies))
                    region = Region(target.offset, extent_of(target), target.device, name, policy)
                    region.recorded = target.recorded
                    space.memory.add(region)
        return space.initiator(thread)


def _words(path: str, position: int, length: int) -> list[tuple[int, int]]:
    """Cut a transfer as the kernel does: /dev/port into bytes, PCI's into words of 4, others into any."""
    is_config = path.endswith("/config") or path.startswith("/proc/bus/pci/")
    largest = 1 if path == _DEVICE_PORTS else 4 if is_config else 8
    found = []
    end = position + length
    while position < end:
        width = largest
        while position % width or position + width > end:
            width //= 2
        found.append((position, width))
        position += width
    return found


def _substitute(thread: StoppedThread, call: Call, index: int, path: str) -> None:
    """Replace the path argument of a call."""
    name = os.fsencode(path) + b"\0"
    place = thread.buffer(len(name))
    write_memory(thread.pid, place, name)
    thread.set_call(call.number, {index: place}, call.bits)
    thread.on_exit = thread.restore_call


def _string(access: KernelAccess, address: int) -> str | None:
    """Return the string at an address, None when there is none."""
    data = access.string(address, _LONGEST_PATH)
    return os.fsdecode(data[:-1]) if len(data) > 1 and data.endswith(b"\0") else None


def _resolved(thread: StoppedThread, directory: int, path: str | None) -> str | None:
    """Return a path of the program's as an absolute one."""
    if path is None:
        return None
    if not path.startswith("/"):
        start = descriptor_path(thread.pid, directory)
        if directory == _AT_CWD:
            start = read_link(thread.pid, "cwd")
        path = f"{start}/{path}"
    return os.path.normpath(path)
