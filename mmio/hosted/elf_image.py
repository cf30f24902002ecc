"""Map an executable's segments as the kernel's execve does (elf(5), fs/binfmt_elf.c)."""

import errno
import os
import struct
from ctypes import memset
from typing import Final, NamedTuple

from attrs import frozen

from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.program_area import FIXED, FIXED_NOREPLACE, NORESERVE, PRIVATE_ANONYMOUS, Area, map_memory
from mmio.linux import own_table
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE, pages

_PRIVATE: Final = 0x02
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_LOAD: Final = 1
_INTERPRETER: Final = 3
_HEADERS: Final = 6  # PT_PHDR
_FIXED_ADDRESS: Final = 2  # ET_EXEC
_SHARED: Final = 3  # ET_DYN
_X86_64: Final = 62
_I386: Final = 3

_LONGEST_LINE: Final = 256  # BINPRM_BUF_SIZE
_MOST_INTERPRETERS: Final = 5
_ADDRESSES: Final = 1 << 47


class _Segment(NamedTuple):
    """A program header."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    file_size: int
    memory_size: int
    alignment: int

    @property
    def is_possible(self) -> bool:
        """Return whether the kernel would map it (load_elf_binary and elf_load in fs/binfmt_elf.c)."""
        end = self.address + self.memory_size
        return self.file_size <= self.memory_size and end <= _ADDRESSES and self.address % PAGE == self.offset % PAGE

    @property
    def protection(self) -> int:
        bits = ((1, PROT_EXEC), (2, PROT_WRITE), (4, PROT_READ))
        return sum(protection for flag, protection in bits if self.flags & flag)


@frozen
class Image:
    """Headers of an executable file.

    Attributes:
        path: of the file.
        interpreter: the dynamic linker it asks for, None for a static program.
    """

    path: str
    kind: int
    entry: int
    headers_offset: int
    segments: tuple[_Segment, ...]
    interpreter: str | None

    @property
    def header_count(self) -> int:
        """The number of program headers, for AT_PHNUM."""
        return len(self.segments)


class Loaded(NamedTuple):
    """An image in memory.

    Attributes:
        base: what addresses in the file are relative to.
        entry, headers: the addresses of the first instruction and of the program headers.
    """

    base: int
    entry: int
    headers: int


class Command(NamedTuple):
    """Arguments of execve, with scripts resolved to their interpreters.

    Attributes:
        image: to be loaded.
        arguments: the script's interpreter and its argument before them, if it is a script.
        name: the path it was given, for AT_EXECFN.
    """

    image: Image
    arguments: list[bytes]
    name: str


def command(path: str, arguments: list[bytes]) -> Command:
    """Find out what is to be run.

    Raises:
        OSError: as execve fails.
        HostError: the kernel could run it, and we cannot.
    """
    name = path
    for _ in range(_MOST_INTERPRETERS):
        line = _first_line(path)
        if not line.startswith(b"#!"):
            return Command(read(path), arguments, name)
        words = line[2:].strip().split(maxsplit=1)
        if not words:
            break
        arguments = [*words, os.fsencode(path), *arguments[1:]]
        path = os.fsdecode(words[0])
    raise _no_executable(path)


def read(path: str) -> Image:
    """Read the headers of an executable.

    Raises:
        OSError: it is none.
        HostError: it is one for another kind of program.
    """
    data = own_table.read(path, 0, PAGE)
    if len(data) < _HEADER.size or data[:4] != b"\x7fELF":
        raise _no_executable(path)
    ident, kind, machine, _, entry, offset, _, _, _, size, count, *_ = _HEADER.unpack_from(data)
    if machine == _I386 or ident[4] != 2:
        raise HostError(f"{path} is a 32-bit program, which a 64-bit process cannot host: {ADVICE}")
    length = os.stat(path).st_size
    if machine != _X86_64 or kind not in (_FIXED_ADDRESS, _SHARED) or size != _SEGMENT.size or offset > length:
        raise _no_executable(path)
    table = own_table.read(path, offset, size * count)
    segments = tuple(_Segment(*fields) for fields in _SEGMENT.iter_unpack(table[: len(table) // size * size]))
    interpreter = None
    for segment in segments:
        if segment.kind == _INTERPRETER:
            if not 2 <= segment.file_size <= PAGE or segment.offset > length:  # PATH_MAX
                raise _no_executable(path)
            text = own_table.read(path, segment.offset, segment.file_size)
            interpreter = os.fsdecode(text.partition(b"\0")[0])
    loads = [segment for segment in segments if segment.kind == _LOAD]
    if not loads or not all(segment.is_possible for segment in loads):
        raise _no_executable(path)
    end = max(segment.offset + segment.file_size for segment in loads)
    if end > length:  # the kernel would map it, and the program would get SIGBUS
        raise HostError(f"{path} has been cut off: its segments end at byte {end}, and it has {length}")
    return Image(path, kind, entry, offset, segments, interpreter)


def load(image: Image, area: Area) -> Loaded:
    """Map an image.

    Raises:
        OSError: there is no room for it.
        HostError: something of this process is where it must go, or so near that their calls cannot be distinguished.
    """
    loads = [segment for segment in image.segments if segment.kind == _LOAD]
    low = min(segment.address for segment in loads) & -PAGE
    high = max(segment.address + segment.memory_size for segment in loads)
    base = 0
    if image.kind == _SHARED:
        base = area.place(high - low, max(PAGE, *(segment.alignment for segment in loads)), of_file=True) - low
    if not any(base + low in place for place in area.places):
        problem = f"{image.path} must lie at {base + low:#x}, below 4 GiB, where this Python lies, too: {ADVICE}"
        raise HostError(problem)
    try:
        map_memory(base + low, high - low, PROT_NONE, PRIVATE_ANONYMOUS | NORESERVE | FIXED_NOREPLACE)
    except FileExistsError:
        place = f"{base + low:#x}..{base + high:#x}"
        problem = f"{image.path} must lie at {place}, where this process has something already: {ADVICE}"
        raise HostError(problem) from None
    descriptor = os.open(image.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for segment in loads:
            _map_segment(segment, base, descriptor)
    finally:
        os.close(descriptor)
    return Loaded(base, base + image.entry, base + _headers_address(image))


def _map_segment(segment: _Segment, base: int, descriptor: int) -> None:
    """Map one segment: what is in the file, and zeros behind it."""
    shift = segment.address % PAGE
    start = base + segment.address - shift
    file_end = base + segment.address + segment.file_size
    memory_end = base + segment.address + segment.memory_size
    if segment.file_size:
        how = _PRIVATE | FIXED
        map_memory(start, file_end - start, segment.protection, how, descriptor, segment.offset - shift)
        if memory_end > file_end and segment.protection & PROT_WRITE:
            memset(file_end, 0, pages(file_end) - file_end)  # to the end of the page, which ld.so counts on
    rest = pages(file_end) if segment.file_size else start
    if memory_end > rest:
        map_memory(rest, memory_end - rest, segment.protection, PRIVATE_ANONYMOUS | FIXED)


def _headers_address(image: Image) -> int:
    """Return where in memory the program headers are, before the base is added."""
    for segment in image.segments:
        if segment.kind == _HEADERS:
            return segment.address
    for segment in image.segments:
        if segment.kind == _LOAD and 0 <= image.headers_offset - segment.offset < segment.file_size:
            return segment.address + image.headers_offset - segment.offset
    return 0


def _first_line(path: str) -> bytes:
    """Return how a file begins, which must be one that may be executed."""
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return own_table.read(path, 0, _LONGEST_LINE).partition(b"\n")[0]


def _no_executable(path: str) -> OSError:
    return OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC), path)
