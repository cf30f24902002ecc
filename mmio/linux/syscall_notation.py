"""Notation for the arguments of system calls.

| written | the argument |
|---|---|
| `_` | is no pointer |
| `<T`, `>T`, `=T` | points to a T that the kernel reads, writes, or both |
| `&` | is an address that the call is about; the kernel does not access what is there |
| `?rule` | points to what the function of that name in `mmio/program/syscall_rules.py` says |
| `?variant` | the first of a call whose signature is by the value of an argument: `syscall_variants.py` |
| `!reason` | is kept by the kernel beyond the call, or its meaning is the address itself: it cannot be copied |

| T | is |
|---|---|
| `8`, `stat`, `timeval*2` | so many bytes, a structure of `STRUCTURES`, two of them |
| `[2]`, `pollfd[1]` | as many bytes or structures as argument 2 or 1 says |
| `@2` | as many bytes as the int says that argument 2 points to, and says afterwards |
| `word+[2]` | a long, and as many bytes as argument 2 says |
| `fds[0]` | a bit map, in words of a long, of as many bits as that argument says |
| `nodes[2]` | a bit map of NUMA nodes, of one bit less than that argument says |
| `path`, `str`, `name`, `page` | a path, a string, one of up to 16 bytes, whatever there is of a page |
| `iov[2]`, `msg`, `mmsg[2]`, `argv` | arrays of struct iovec, struct msghdr, and both; a list of strings |

`#` at the end: the result counts the bytes, or structures, that have been written. `~`: written under conditions only.
"""

import re
from typing import Final

from attrs import frozen

from decode import READ, READ_WRITE, WRITE, Direction

STRUCTURES: Final[dict[str, tuple[int, int]]] = {
    "cap_header": (8, 8),
    "epoll_event": (12, 12),
    "flock": (32, 16),
    "flock64": (32, 24),
    "int": (4, 4),
    "io_event": (32, 32),
    "io_uring_params": (120, 120),
    "iovec": (16, 8),
    "itimerspec": (32, 16),
    "itimerspec64": (32, 32),
    "itimerval": (32, 16),
    "mq_attr": (64, 32),
    "msqid64": (120, 88),
    "off": (8, 4),
    "old_dirent": (0, 266),  # struct old_linux_dirent of fs/readdir.c with the longest name
    "old_sigaction": (0, 16),
    "old_stat": (0, 32),
    "old_utsname": (325, 325),
    "oldest_utsname": (45, 45),
    "pollfd": (8, 8),
    "rlimit": (16, 8),
    "rusage": (144, 72),
    "sembuf": (6, 6),
    "semid64": (104, 64),
    "shm_info": (48, 24),
    "shmid64": (112, 84),
    "shminfo64": (72, 36),
    "short": (2, 2),
    "sigaction": (32, 20),
    "sigevent": (64, 64),
    "siginfo": (128, 128),
    "stack": (24, 12),
    "stat": (144, 64),
    "stat64": (0, 96),
    "statfs": (120, 64),
    "statfs64": (0, 84),
    "statx": (256, 256),
    "sysinfo": (112, 64),
    "timespec": (16, 8),
    "timespec64": (16, 16),
    "timeval": (16, 8),
    "timex": (208, 128),
    "timex64": (208, 208),
    "tms": (32, 16),
    "user_desc": (16, 16),
    "user_fpregs": (512, 108),
    "user_regs": (216, 68),
    "ustat": (32, 20),
    "utimbuf": (16, 8),
    "utsname": (390, 390),
    "waitinfo": (28, 24),  # as much of struct siginfo as waitid(2) writes
    "word": (8, 4),
}
"""Bytes in a structure, for 64-bit and for 32-bit calls."""

_DIRECTIONS: Final = {"<": READ, ">": WRITE, "=": READ_WRITE}
_POINTEE: Final = re.compile(r"([<>=])([a-z_0-9]*)(?:([*@])(\d+)|(\+?)\[(\d)\])?([#~]?)")


@frozen
class Argument:
    """Memory that an argument of a call points to.

    Attributes:
        kind: "address", "kept", "rule", "plain" for bytes and structures, "valued" for `@`, "prefixed" for `+`, or
            the T that is none of them.
        direction: what the kernel does there.
        text: of a rule its name, of what is kept the reason.
        sizes: bytes of one unit, in a 64-bit and in a 32-bit call.
        count: how many units.
        length: the index of the argument that says how many.
        counted: the result says how many were written.
        conditional: it is not always written.
    """

    kind: str
    direction: Direction = READ
    text: str = ""
    sizes: tuple[int, int] = (1, 1)
    count: int = 1
    length: int | None = None
    counted: bool = False
    conditional: bool = False


_OTHERS: Final = ("path", "str", "name", "page", "iov", "msg", "mmsg", "argv", "nodes", "fds")


def argument(text: str) -> Argument | None:
    """Parse the notation of one argument; None when it is no pointer.

    Raises:
        ValueError: there is no such notation.
    """
    if text == "_":
        return None
    if text == "&":
        return Argument("address")
    if text[:1] in ("?", "!"):
        return Argument("rule" if text[0] == "?" else "kept", text=text[1:])
    found = _POINTEE.fullmatch(text)
    if found is None or len(text) < len("<T"):
        raise ValueError(f"expected the notation of an argument, got {text!r}")
    way, name, mark, number, prefixed, length, suffix = found.groups()
    if name and name not in _OTHERS and name not in STRUCTURES and not name.isdecimal():
        raise ValueError(f"{text!r}: expected a number, a structure of STRUCTURES, or one of {', '.join(_OTHERS)}")
    sizes = (int(name), int(name)) if name.isdecimal() else STRUCTURES.get(name, (1, 1))
    kind = name if name in _OTHERS else "valued" if mark == "@" else "prefixed" if prefixed else "plain"
    return Argument(
        kind,
        _DIRECTIONS[way],
        sizes=sizes,
        count=int(number) if mark == "*" else 1,
        length=int(number) if mark == "@" else int(length) if length else None,
        counted=suffix == "#",
        conditional=suffix == "~",
    )
