"""Read files without a descriptor in this process's table.

A program that runs in this process counts on the lowest number for what it opens, and may close any number. No call
opens a file at another number than the lowest. So while numbers are reserved (`own_descriptors.py`), a file is read by
a thread that lives for nothing else: clone(2) makes it, close_range(2) with CLOSE_RANGE_UNSHARE gives it an empty table
of descriptors, and it ends when it has read. The one that asked waits in the kernel (CLONE_VFORK).
"""

import ctypes
import errno
import fnmatch
import os
import struct
from collections.abc import Iterator
from ctypes import CFUNCTYPE, c_char, c_int, c_int64, c_uint64, c_void_p
from functools import cache
from glob import has_magic
from typing import Any, Final

from mmio.linux import libc, listing, own_descriptors
from mmio.linux.syscall_table import NUMBERS

LISTING: Final = """
read: rdi a `_Request`. Returns the number of the thread that was made, or an error.
    53                       push rbx
    4154                     push r12
    4155                     push r13
    4889fb                   mov rbx,rdi
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d7340                 lea rsi,[rbx+40h]                 all signals
    488d5348                 lea rdx,[rbx+48h]
    41ba08000000             mov r10d,8
    0f05                     syscall
    b838000000               mov eax,38h                       clone
    bf004d0500               mov edi,54D00h                    CLONE_VM FILES SIGHAND VFORK THREAD SYSVSEM
    488db300100000           lea rsi,[rbx+1000h]
    31d2                     xor edx,edx
    4531d2                   xor r10d,r10d
    4531c0                   xor r8d,r8d
    0f05                     syscall
    4989c4                   mov r12,rax
    85c0                     test eax,eax
    743f                     je short 0000000000000083h        apart
    781c                     js short 0000000000000062h        made
gone: wait until the thread has left the process: some calls of the program ask whether it has only one.
    b8ea000000               mov eax,0EAh                      tgkill
    8b7b38                   mov edi,[rbx+38h]
    4489e6                   mov esi,r12d
    31d2                     xor edx,edx
    0f05                     syscall
    85c0                     test eax,eax
    7809                     js short 0000000000000062h        made
    b818000000               mov eax,18h                       sched_yield
    0f05                     syscall
    ebe4                     jmp short 0000000000000046h       gone
made:
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2
    488d7348                 lea rsi,[rbx+48h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
    4489e0                   mov eax,r12d
    415d                     pop r13
    415c                     pop r12
    5b                       pop rbx
    c3                       ret
apart: the thread. Its current directory is its own, and soon its descriptors.
    8b3b                     mov edi,[rbx]                     directory
    85ff                     test edi,edi
    780b                     js short 0000000000000094h        no directory
    b851000000               mov eax,51h                       fchdir
    0f05                     syscall
    85c0                     test eax,eax
    7568                     jne short 00000000000000FCh       end
no directory:
    b8b4010000               mov eax,1B4h                      close_range
    31ff                     xor edi,edi
    beffffffff               mov esi,0FFFFFFFFh
    ba02000000               mov edx,2                         CLOSE_RANGE_UNSHARE
    0f05                     syscall
    85c0                     test eax,eax
    7551                     jne short 00000000000000FCh       end
    b801010000               mov eax,101h                      openat
    bf9cffffff               mov edi,0FFFFFF9Ch                AT_FDCWD
    488b7308                 mov rsi,[rbx+8]                   path
    ba00080800               mov edx,80800h                    O_RDONLY O_CLOEXEC O_NONBLOCK
    4531d2                   xor r10d,r10d
    0f05                     syscall
    85c0                     test eax,eax
    7835                     js short 00000000000000FCh        end
    4189c4                   mov r12d,eax
    4531ed                   xor r13d,r13d
more:
    488b4330                 mov rax,[rbx+30h]                 pread64 or getdents64
    4489e7                   mov edi,r12d
    488b7318                 mov rsi,[rbx+18h]                 buffer
    4c01ee                   add rsi,r13
    488b5320                 mov rdx,[rbx+20h]                 its size
    4c29ea                   sub rdx,r13
    7415                     je short 00000000000000F9h        whole
    4c8b5310                 mov r10,[rbx+10h]                 offset
    4d01ea                   add r10,r13
    0f05                     syscall
    4885c0                   test rax,rax
    780a                     js short 00000000000000FCh        end
    7405                     je short 00000000000000F9h        whole
    4901c5                   add r13,rax
    ebd4                     jmp short 00000000000000CDh       more
whole:
    4c89e8                   mov rax,r13
end:
    48894328                 mov [rbx+28h],rax                 result
    b83c000000               mov eax,3Ch                       exit
    31ff                     xor edi,edi
    0f05                     syscall
"""

_PREAD: Final = NUMBERS[64]["pread64"]
_GETDENTS: Final = NUMBERS[64]["getdents64"]
_NO_DIRECTORY: Final = -1
_ALL: Final = (1 << 64) - 1  # signals
_FIRST_SIZE: Final = 1 << 16  # of the buffer for what has no known length
_ENTRY: Final = struct.Struct("<QqHB")  # struct linux_dirent64: the name follows


class _Request(ctypes.Structure):
    """Order to the machine code. The rest of its page is the stack of the thread."""

    _fields_ = (
        ("directory", c_int),
        ("path", c_void_p),
        ("offset", c_uint64),
        ("buffer", c_void_p),
        ("size", c_uint64),
        ("result", c_int64),
        ("call", c_uint64),
        ("process", c_uint64),
        ("blocked", c_uint64),
        ("blocked_before", c_uint64),
        ("stack", c_char * (libc.PAGE - 80)),
    )


class _NoThread(Exception):
    """The kernel makes no thread: there are too many, or those to come belong to another PID namespace."""


def read(path: str, offset: int = 0, length: int | None = None, directory: int | None = None) -> bytes:
    """Return what is in a file: `length` bytes from `offset` on, or all; less where the file ends before.

    A pipe or a device is not waited for.

    Args:
        path: of the file; relative to the directory, when one is given.
        offset: in bytes.
        length: in bytes; None for all.
        directory: a descriptor.

    Raises:
        OSError: it cannot be read.
    """
    if own_descriptors.first_reserved() is not None:
        try:
            return _apart(_PREAD, path, offset, length, directory)
        except _NoThread:  # as well as possible, then
            pass
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    try:
        if length is not None:
            return os.pread(descriptor, length, offset)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def names(path: str, directory: int | None = None) -> list[str]:
    """Return the names in a directory of the file system. Arguments and errors as those of `read`."""
    if own_descriptors.first_reserved() is not None:
        try:
            return _entries(_apart(_GETDENTS, path, 0, None, directory))
        except _NoThread:
            pass
    if directory is None:  # of a descriptor os.listdir makes a second one, and there may be only one left
        return os.listdir(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def paths(pattern: str) -> Iterator[str]:
    """Yield the paths that exist and fit a pattern, as `glob.glob` does, which opens directories."""
    if not has_magic(pattern):  # it keeps its slashes as they are
        if os.path.lexists(pattern):
            yield pattern
        return
    folder, last = os.path.split(pattern)
    for place in paths(folder) if has_magic(folder) else [folder]:
        found = _fitting(place or os.curdir, last) if has_magic(last) else [last]
        yield from (path for path in (os.path.join(place, name) for name in found) if os.path.lexists(path))


def _fitting(directory: str, pattern: str) -> list[str]:
    """Return the names in a directory that fit a pattern; none where it cannot be read."""
    try:
        found = fnmatch.filter(names(directory), pattern)
    except OSError:
        return []
    return found if pattern.startswith(".") else [name for name in found if not name.startswith(".")]


def _apart(call: int, path: str, offset: int, length: int | None, directory: int | None) -> bytes:
    """Read in a thread of its own. Raises OSError, and _NoThread when there is none."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")  # as os.open has it
    place = ctypes.create_string_buffer(name)
    size = _FIRST_SIZE if length is None else length
    while True:
        buffer = ctypes.create_string_buffer(size)
        request = _Request(
            directory=_NO_DIRECTORY if directory is None else directory,
            path=ctypes.addressof(place),
            offset=offset,
            buffer=ctypes.addressof(buffer),
            size=size,
            call=call,
            process=os.getpid(),
            blocked=_ALL,
        )
        if _code()(ctypes.addressof(request)) < 0:
            raise _NoThread
        full = request.result == (-errno.EINVAL if call == _GETDENTS else size)  # an entry has no room left
        if request.result < 0 and not full:
            number = -request.result
            raise OSError(number, os.strerror(number), path)
        if length is not None or not full:
            return buffer.raw[: request.result]
        size *= 4


def _entries(data: bytes) -> list[str]:
    """Return the names in what getdents64 has filled."""
    found, at = [], 0
    while at < len(data):
        size = _ENTRY.unpack_from(data, at)[2]
        found.append(os.fsdecode(data[at + _ENTRY.size : at + size].partition(b"\0")[0]))
        at += size
    return [name for name in found if name not in (".", "..")]


@cache
def _code() -> Any:
    """Return the function that the listing is."""
    return CFUNCTYPE(c_int, c_void_p)(libc.map_code(listing.code(LISTING)))
