"""Number and signature of each system call by its name, and which calls stop a program."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from mmio.linux import syscall_signatures
from mmio.linux.prctl import PR_SET_SECCOMP
from mmio.linux.seccomp import Equal, Rule, When
from mmio.linux.syscall_notation import Argument, argument
from mmio.linux.syscalls_without_pointers import WITHOUT_POINTERS

Signature: TypeAlias = tuple[Argument | None, ...]

NUMBERS: Final[dict[int, dict[str, int]]] = {64: {}, 32: {}}
"""By the kind of calls, 64 or 32: numbers by name."""
SIGNATURES: Final[dict[int, dict[str, Signature]]] = {64: {}, 32: {}}
"""By the kind of calls: what the arguments are, as far as one is a pointer, by the call's name."""


def _read_tables() -> None:
    described = [line for line in syscall_signatures.SIGNATURES.splitlines() if line and not line.startswith("#")]
    for entry in (*described, *WITHOUT_POINTERS.replace("\n", " ").split(";")):
        name, wide, narrow, *words = entry.split()
        for bits, number in ((64, wide), (32, narrow)):
            if number != "-":
                NUMBERS[bits][name] = int(number)
                SIGNATURES[bits][name] = tuple(map(argument, words))


_read_tables()
NAMES: Final = {bits: {number: name for name, number in table.items()} for bits, table in NUMBERS.items()}

CODE: Final = {64: b"\x0f\x05", 32: b"\xcd\x80"}
"""The instruction that makes a call: SYSCALL; INT 80H."""

_ANONYMOUS: Final = 0x20
_FIXED: Final = 0x10 | 0x100000  # MAP_FIXED_NOREPLACE, too
_EXEC: Final = 4

OPENING: Final = ("open", "openat", "openat2", "creat")
PATHS: Final = (
    "access",
    "faccessat",
    "faccessat2",
    "fstatat64",
    "newfstatat",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "statx",
)
"""Calls about a file by its path that do not open it."""
TREE_PATHS: Final = ("chdir", "readlink", "readlinkat")
"""Calls by a path that matter where a directory stands in for another."""
VECTORS: Final = ("preadv", "preadv2", "pwritev", "pwritev2", "readv", "writev")
IFCONF: Final = 0x8912  # SIOCGIFCONF, linux/sockios.h
I2C_TRANSFER: Final = 0x0707  # I2C_RDWR, linux/i2c-dev.h
SPI_TRANSFER: Final = 0x40006B00  # SPI_IOC_MESSAGE(0), linux/spi/spidev.h; the others differ in their size
SPI_MASK: Final = 0xC000FFFF
ATTACH_FILTER: Final = 26  # SO_ATTACH_FILTER, asm-generic/socket.h
TRANSFERS: Final = ("read", "write", "pread64", "pwrite64", "lseek", *VECTORS)

_EVERY_BIT: Final = 0xFFFFFFFF
_NESTED: Final[dict[str, tuple[When | Equal, ...]]] = {
    "ioctl": (Equal(1, IFCONF), Equal(1, I2C_TRANSFER), Equal(1, SPI_TRANSFER, SPI_MASK)),
    "io_pgetevents": (When(5, _EVERY_BIT),),
    "io_pgetevents_time64": (When(5, _EVERY_BIT),),
    "keyctl": (Equal(0, 20),),  # KEYCTL_INSTANTIATE_IOV, linux/keyctl.h
    "prctl": (Equal(0, PR_SET_SECCOMP),),
    "process_vm_readv": (),
    "process_vm_writev": (),
    "ptrace": (),
    "pselect6": (When(5, _EVERY_BIT),),
    "pselect6_time64": (When(5, _EVERY_BIT),),
    "seccomp": (),
    "select": (),
    "setsockopt": (Equal(2, ATTACH_FILTER),),
    "socketcall": (),
}
"""Calls with pointers in structures, which the filter cannot see, under which conditions they have any.

Those whose signature says so (`iov` and others) are not listed.
"""


def _nested(signature: Signature) -> bool:
    return any(part is not None and part.kind in ("iov", "msg", "mmsg", "argv") for part in signature)


def rules(
    bits: int,
    *,
    ranges: bool,
    redirects: bool,
    devices: bool,
    ports: bool,
    trees: bool = False,
    more: Mapping[str, tuple[When | Equal, ...]] | None = None,
) -> list[Rule]:
    """Return the calls that stop a program, besides those with an argument in the watched part of the address space.

    Args:
        bits: which table.
        ranges: there are targets given by address, which any mapping may fall upon.
        redirects: files are opened as something else.
        devices: devices answer reads and writes of files.
        ports: IO ports are answered.
        trees: directories stand in for others.
        more: other calls by name, with their conditions; calls with none stop always.
    """
    mapping = (When(3, _ANONYMOUS, clear=True), When(3, _FIXED))
    found: dict[str, tuple[When | Equal, ...]] = dict.fromkeys(("mmap", "mmap2"), () if ranges else mapping)
    found |= dict.fromkeys(("munmap", "mremap"), ())
    found["mprotect"] = () if bits == 32 else (When(2, _EXEC),)
    if bits == 32:
        found["mmap"] = ()  # whose arguments lie in memory
    found |= {name: () for name, signature in SIGNATURES[bits].items() if _nested(signature)} | _NESTED
    if bits == 64:
        del found["select"]  # whose pointers are arguments
    chosen: Iterable[str] = ()
    if ranges:
        chosen = ("brk",)
    if redirects:
        chosen = (*chosen, *OPENING, *PATHS)
    if trees:
        chosen = (*chosen, *TREE_PATHS)
    if devices:
        chosen = (*chosen, *TRANSFERS)
    if ports:
        chosen = (*chosen, "iopl", "ioperm")
    found |= dict.fromkeys(chosen, ())
    found |= more or {}
    return [Rule(NUMBERS[bits][name], conditions) for name, conditions in found.items() if name in NUMBERS[bits]]
