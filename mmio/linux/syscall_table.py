"""The numbers of the system calls that concern us (asm/unistd_64.h, asm/unistd_32.h), and which of them stop."""

from collections.abc import Iterable
from typing import Final

from mmio.linux.seccomp import Equal, Rule, When

_NUMBERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "access": (21, 33),
    "brk": (12, 45),
    "chdir": (80, 12),
    "clone": (56, 120),
    "clone3": (435, 435),
    "clock_gettime": (228, 265),
    "creat": (85, 8),
    "execve": (59, 11),
    "faccessat": (269, 307),
    "faccessat2": (439, 439),
    "fstat": (5, None),
    "fstat64": (None, 197),
    "getdents64": (217, 220),
    "getrandom": (318, 355),
    "gettimeofday": (96, 78),
    "ioctl": (16, 54),
    "ioperm": (173, 101),
    "iopl": (172, 110),
    "lseek": (8, 19),
    "lstat": (6, 107),
    "lstat64": (None, 196),
    "memfd_create": (319, 356),
    "mmap": (9, None),
    "mmap2": (None, 192),
    "mprotect": (10, 125),
    "mremap": (25, 163),
    "munmap": (11, 91),
    "newfstatat": (262, 300),
    "open": (2, 5),
    "openat": (257, 295),
    "openat2": (437, 437),
    "prctl": (157, 172),
    "pread64": (17, 180),
    "preadv": (295, 333),
    "pwrite64": (18, 181),
    "pwritev": (296, 334),
    "read": (0, 3),
    "readv": (19, 145),
    "recvfrom": (45, 371),
    "recvmsg": (47, 372),
    "rt_sigaction": (13, 174),
    "rt_sigprocmask": (14, 175),
    "seccomp": (317, 354),
    "sendmsg": (46, 370),
    "sendto": (44, 369),
    "stat": (4, 106),
    "stat64": (None, 195),
    "statx": (332, 383),
    "write": (1, 4),
    "vfork": (58, 190),
    "writev": (20, 146),
}

NUMBERS: Final = {
    bits: {name: number for name, pair in _NUMBERS.items() if (number := pair[index]) is not None}
    for index, bits in enumerate((64, 32))
}
NAMES: Final = {bits: {number: name for name, number in table.items()} for bits, table in NUMBERS.items()}

_ANONYMOUS: Final = 0x20
_FIXED: Final = 0x10 | 0x100000  # MAP_FIXED_NOREPLACE, too
_EXEC: Final = 4

OPENING: Final = ("open", "openat", "openat2", "creat")
PATHS: Final = ("access", "faccessat", "faccessat2", "newfstatat", "stat", "stat64", "lstat", "lstat64", "statx")
"""Calls about a file by its path that do not open it."""
VECTORS: Final = ("preadv", "pwritev", "readv", "writev")
"""Calls whose buffers the filter cannot see, because their addresses lie in memory; so are those of `MESSAGES`."""
MESSAGES: Final = ("sendmsg", "recvmsg")
IFCONF: Final = 0x8912  # SIOCGIFCONF, linux/sockios.h
I2C_TRANSFER: Final = 0x0707  # I2C_RDWR, linux/i2c-dev.h
SPI_TRANSFER: Final = 0x40006B00  # SPI_IOC_MESSAGE(0), linux/spi/spidev.h; the others differ in their size
SPI_MASK: Final = 0xC000FFFF
TRANSFERS: Final = ("read", "write", "pread64", "pwrite64", "lseek", *VECTORS)


def rules(bits: int, *, ranges: bool, redirects: bool, devices: bool, ports: bool) -> list[Rule]:
    """Return the calls that stop a program, besides those with an argument in the watched part of the address space.

    Args:
        bits: which table.
        ranges: there are targets given by address, which any mapping may fall upon.
        redirects: files are opened as something else.
        devices: devices answer reads and writes of files.
        ports: IO ports are answered.
    """
    mapping = (When(3, _ANONYMOUS, clear=True), When(3, _FIXED))
    found: dict[str, tuple[When | Equal, ...]] = dict.fromkeys(("mmap", "mmap2"), () if ranges else mapping)
    found |= dict.fromkeys(("munmap", "mremap", "rt_sigprocmask", *VECTORS, *MESSAGES), ())
    found["mprotect"] = () if bits == 32 else (When(2, _EXEC),)
    if bits == 64:
        found["ioctl"] = (Equal(1, IFCONF), Equal(1, I2C_TRANSFER), Equal(1, SPI_TRANSFER, SPI_MASK))
    chosen: Iterable[str] = ()
    if ranges:
        chosen = ("brk",)
    if redirects:
        chosen = (*chosen, *OPENING, *PATHS)
    if devices:
        chosen = (*chosen, *TRANSFERS)
    if ports:
        chosen = (*chosen, "iopl", "ioperm")
    found |= dict.fromkeys(chosen, ())
    return [Rule(NUMBERS[bits][name], conditions) for name, conditions in found.items() if name in NUMBERS[bits]]
