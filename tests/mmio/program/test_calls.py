"""System calls with pointers into trapped memory end as natively: all that can be made again and again.

Left out are calls that change the process, wait, or answer what no two runs have in common. The program has no rights,
and is where it may not write; paths that are to be changed lead nowhere.
"""

import os
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.linux.syscall_table import NUMBERS
from tests.mmio.program import scripts
from tests.mmio.program.scripts import ADDRESS_OF, DESCRIPTOR, PAGE, SCRATCH, TRAPPED, Argument, Way, call, poke, show

PAGES = len(scripts.LAYOUT)
_SHOWN = 128
_LARGE = 400  # bytes that a call which is not shown may write, and those in a struct utsname
_PATHS = (b"/\0", b"/dev/null\0", b"/nowhere/at/all\0", b"/proc/self/exe\0", b"\0", b"/" * 5000)
_NOWHERE = (b"/nowhere/at/all\0", b"\0", b"/" * 5000)

offsets = st.builds(lambda page, by: page * PAGE + by, st.integers(0, PAGES), st.integers(-160, 40)).map(
    lambda offset: offset & -4
)
pointers = offsets.map(lambda offset: (TRAPPED, offset)) | st.just((0, 0))
# To structures whose size is an argument. Of one with a size that is new to the kernel it looks at the end first
# (copy_struct_from_user of include/linux/uaccess.h), and finds it where the beginning is not accessible.
extensible = pointers.filter(lambda pointer: pointer[1] // PAGE != scripts.LAYOUT.index("n"))
numbers = st.integers(0, 40)
lengths = st.integers(0, 300) | st.sampled_from([-1, 1 << 31])
descriptors = st.integers(0, 13).map(lambda index: (DESCRIPTOR, index))

PLAIN = {  # by name: a letter an argument, and whether the memory may be shown
    "uname": ("p", True),
    "pipe2": ("p-", False),
    "getcwd": ("pl", True),
    "getrlimit": ("np", True),
    "prlimit64": ("zn0p", True),
    "getresuid": ("ppp", True),
    "getresgid": ("ppp", True),
    "getgroups": ("lp", True),
    "getitimer": ("np", True),
    "clock_getres": ("np", True),
    "clock_gettime": ("np", False),
    "gettimeofday": ("pp", False),
    "sysinfo": ("p", False),
    "getrusage": ("np", False),
    "getcpu": ("pp", False),
    "sched_getparam": ("zp", True),
    "sched_getattr": ("zpl0", False),
    "sched_getaffinity": ("zlp", True),
    "rt_sigpending": ("pl", True),
    "rt_sigprocmask": ("z0pn", True),
    "rt_sigaction": ("n0pn", False),
    "sigaltstack": ("0p", True),
    "getsockname": ("dpp", True),
    "getpeername": ("dpp", True),
    "getsockopt": ("d1npp", False),
    "socketpair": ("1100p", False),
    "fstat": ("dp", False),
    "fstatfs": ("dp", False),
    "fcntl": ("d5p", True),
    "ioctl": ("dip", True),
    "timerfd_gettime": ("dp", True),
    "epoll_wait": ("dpn0", True),
    "epoll_ctl": ("d1dp", True),
    "signalfd4": ("fpl0", False),
    "mincore": ("Pnp", False),
    "nanosleep": ("tp", True),
    "ppoll": ("pnt0l", True),
    "poll": ("pn0", True),
    "pselect6": ("nppptp", True),
    "bind": ("dpl", True),
    "connect": ("dpl", True),
    "setsockopt": ("d1npl", True),
    "capget": ("pp", True),
    "prctl": ("op", True),
    "mlock": ("Pn", True),
    "msync": ("Pn4", True),
    "futex": ("pF0tpn", True),
    "io_setup": ("np", False),
    "timer_settime": ("90pp", True),
    "get_robust_list": ("zpp", False),
    "arch_prctl": ("ap", False),
    "getdents64": ("dpL", False),
    "getdents": ("dpL", False),
    "getrandom": ("pL0", False),
    "clock_nanosleep": ("n0tp", True),
    "sched_rr_get_interval": ("zp", False),
    "sched_setaffinity": ("zlp", True),
    "setgroups": ("lp", True),
    "sethostname": ("pl", True),
    "settimeofday": ("pp", True),
    "clock_settime": ("np", True),
    "adjtimex": ("p", False),
    "clock_adjtime": ("np", False),
    "capset": ("pp", True),
    "modify_ldt": ("npl", True),
    "get_thread_area": ("p", True),
    "ustat": ("np", True),
    "perf_event_open": ("p0ff0", True),
    "open_by_handle_at": ("dp0", True),
    "cachestat": ("dpp0", False),
    "process_madvise": ("fpln0", True),
    "landlock_create_ruleset": ("el0", True),
    "landlock_add_rule": ("d1p0", True),
    "semop": ("fpl", True),
    "semtimedop": ("fplp", True),
    "msgsnd": ("fpl0", True),
    "msgrcv": ("fpln0", True),
    "shmctl": ("fnp", True),
    "msgctl": ("fnp", True),
    "mq_timedsend": ("dplnp", True),
    "mq_timedreceive": ("dplpp", True),
    "mq_getsetattr": ("dpp", True),
    "waitid": ("nfpnp", True),
    "wait4": ("fpnp", True),
    "rt_sigtimedwait": ("pptl", True),
    "get_mempolicy": ("ppn00", True),
    "set_mempolicy": ("0pn", True),
    "migrate_pages": ("fnpp", True),
    "splice": ("dpdpl2", True),
    "sendfile": ("ddpl", True),
    "copy_file_range": ("dpdpl0", True),
    "select": ("npppt", True),
    "epoll_pwait": ("dpn0pl", True),
    "epoll_pwait2": ("dpntpl", True),
    "io_getevents": ("0nnpt", True),
    "io_pgetevents": ("0nnptp", True),
    "accept4": ("dppn", True),
    "timer_gettime": ("9p", True),
    "signalfd": ("fpl", False),
    "sysfs": ("2np", False),  # a device is given the whole word that the string ends in
    # of the 32-bit table
    "_newselect": ("npppt", True),
    "_llseek": ("d0npn", True),
    "clock_gettime64": ("np", False),
    "clock_getres_time64": ("np", True),
    "clock_nanosleep_time64": ("n0tp", True),
    "fcntl64": ("d5p", True),
    "fstat64": ("dp", False),
    "fstatfs64": ("dlp", False),
    "futex_time64": ("pF0tpn", True),
    "getgroups32": ("lp", True),
    "getresgid32": ("ppp", True),
    "getresuid32": ("ppp", True),
    "oldfstat": ("dp", False),
    "oldolduname": ("p", True),
    "olduname": ("p", True),
    "ppoll_time64": ("pnt0l", True),
    "pselect6_time64": ("nppptp", True),
    "rt_sigtimedwait_time64": ("pptl", True),
    "sched_rr_get_interval_time64": ("zp", False),
    "semtimedop_time64": ("fplp", True),
    "sendfile64": ("ddpl", True),
    "setgroups32": ("lp", True),
    "sigpending": ("p", True),
    "timerfd_gettime64": ("dp", True),
    "ugetrlimit": ("np", True),
    "waitpid": ("fpn", True),
}
PATHS = {  # by name, with "s" for a path in memory, "w" for one that leads nowhere
    "access": ("s-", True),
    "chdir": ("s", True),
    "readlink": ("spl", False),
    "stat": ("sp", False),
    "statfs": ("sp", False),
    "newfstatat": ("dsp0", False),
    "faccessat": ("ds0", True),
    "openat": ("ds0", False),
    "openat2": ("dspl", False),
    "getxattr": ("sspl", True),
    "listxattr": ("spl", True),
    "inotify_add_watch": ("dsn", True),
    "statx": ("ds00p", False),
    "name_to_handle_at": ("dspp0", False),
    "memfd_create": ("sn", False),
    "faccessat2": ("ds00", True),
    "lstat": ("sp", False),
    "readlinkat": ("dspl", False),
    "stat64": ("sp", False),
    "lstat64": ("sp", False),
    "oldstat": ("sp", False),
    "fstatat64": ("dsp0", False),
    "statfs64": ("slp", False),
    "lgetxattr": ("sspl", True),
    "fgetxattr": ("dspl", True),
    "llistxattr": ("spl", True),
    "flistxattr": ("dpl", True),
    "open_tree": ("dsn", True),
    "mq_open": ("s00p", True),
    "mq_unlink": ("w", True),
    "mkdir": ("w0", True),
    "rmdir": ("w", True),
    "unlink": ("w", True),
    "rename": ("ww", True),
    "link": ("ww", True),
    "symlink": ("sw", True),
    "chmod": ("w0", True),
    "chown": ("wff", True),
    "truncate": ("wn", True),
    "utime": ("wp", True),
    "utimes": ("wp", True),
    "futimesat": ("dwp", True),
    "utimensat": ("dwp0", True),
    "mknodat": ("dw00", True),
    "mkdirat": ("dw0", True),
    "unlinkat": ("dw0", True),
    "renameat2": ("dwdw0", True),
    "linkat": ("dwdw0", True),
    "symlinkat": ("sdw", True),
    "fchownat": ("dwff0", True),
    "setxattr": ("wspl0", True),
    "removexattr": ("ws", True),
    "mount_setattr": ("dwnpl", True),
}


def _argument(letter: str) -> st.SearchStrategy[Argument | int]:
    return {
        "p": pointers,
        "e": extensible,
        "P": offsets.map(lambda offset: (TRAPPED, offset & -PAGE)),
        "l": lengths,
        "n": numbers,
        "L": st.integers(0, 300),
        "z": st.just(0),
        "d": descriptors,
        "f": st.just(-1),
        "t": st.just((SCRATCH, 0x100)),  # zeros: no time
        "i": st.sampled_from([0x541B, 0x5421, 0x80087601, 0x5401]),  # FIONREAD FIONBIO FS_IOC_GETVERSION TCGETS
        "o": st.sampled_from([2, 16, 37, 25]),
        "a": st.sampled_from([0x1003, 0x1004, 1]),
        "F": st.sampled_from([128, 129, 131, 132, 137]),  # wait, wake and requeue, of locks that are private
    }.get(letter, st.just(int(letter) if letter.isdecimal() else 0))


@pytest.fixture(autouse=True)
def _devices_stay_as_they_are() -> Iterator[None]:
    """See that no call of a script has done anything to the files that it names."""

    def state() -> list[tuple[int, ...]]:
        found = [os.lstat(path) for path in ("/", "/dev", "/dev/null", "/dev/zero")]
        return [(s.st_ino, s.st_mode, s.st_uid, s.st_gid, s.st_rdev) for s in found]

    before = state()
    yield
    assert state() == before


def test_the_program_has_no_rights() -> None:
    """What takes a capability is refused, also where the tests run as root."""
    numbers = NUMBERS[64]
    script = call(numbers["setgroups"], 0, 0) + call(numbers["access"], (SCRATCH, 0x100), 0)
    script += (
        poke(SCRATCH, 0, b"/\0") + call(numbers["chroot"], (SCRATCH, 0)) + call(numbers["access"], (SCRATCH, 0), 2)
    )
    assert scripts.natively(script, Way("own")) == ["-1 1", "-1 2", "-1 1", "-1 13"]


@st.composite
def plain(draw: st.DrawFn, bits: int) -> bytes:
    """Draw a call whose pointers lead into trapped memory, and show what it leaves there."""
    known = [item for item in sorted((PLAIN | PATHS).items()) if item[0] in NUMBERS[bits]]
    name, (letters, visible) = draw(st.sampled_from(known))
    steps = b""
    arguments: list[Argument | int] = []
    for letter in letters:
        if letter in "sw":
            offset = draw(offsets)
            steps += poke(TRAPPED, offset, draw(st.sampled_from(_PATHS if letter == "s" else _NOWHERE))[: PAGE - 1])
            arguments.append((TRAPPED, offset))
        else:
            arguments.append(draw(_argument(letter)))
    places = [a[1] for a in arguments if isinstance(a, tuple) and a[0] == TRAPPED]
    for offset in places:
        if letters.count("p") and draw(st.booleans()) and not {"s", "w"} & set(letters):
            steps += poke(TRAPPED, offset, struct.pack("<II", draw(st.integers(0, 64)), 0) * 2)
    steps += call(NUMBERS[bits][name], *arguments)
    if visible:
        shown = _LARGE if name.endswith("uname") else _SHOWN
        return steps + b"".join(show(TRAPPED, offset - 8, shown) for offset in places)
    return steps + b"".join(poke(TRAPPED, offset, bytes(_LARGE)) for offset in places)


@st.composite
def messages(draw: st.DrawFn, bits: int) -> bytes:
    """Draw sendmsg, recvmsg, sendmmsg or recvmmsg with structures here or there."""
    name = draw(st.sampled_from(["sendmsg", "recvmsg", "sendmmsg", "recvmmsg"]))
    base, place = draw(st.sampled_from([(SCRATCH, 0x4000), (TRAPPED, 0x900), (TRAPPED, PAGE - 32)]))
    array, word = 0x5000, bits // 8
    steps, places = b"", []
    for index in range(2):
        offset = draw(offsets)
        if base == TRAPPED and place - 200 < offset < place + 128:
            offset += 512  # not over the structure itself: its copy is another one
        places.append(offset)
        steps += call(ADDRESS_OF, (SCRATCH, array + 2 * word * index), (TRAPPED, offset))
        length = draw(st.integers(0, 200))
        steps += poke(SCRATCH, array + 2 * word * index + word, length.to_bytes(word, "little"))
    for index in range(2):
        header = place + 8 * word * index  # struct mmsghdr
        steps += poke(base, header, bytes(8 * word))
        steps += call(ADDRESS_OF, (base, header + 2 * word), (SCRATCH, array))
        steps += poke(base, header + 3 * word, draw(st.integers(0, 2)).to_bytes(word, "little"))
        if draw(st.booleans()):
            steps += call(ADDRESS_OF, (base, header), (TRAPPED, 0xC00))
            steps += poke(base, header + word, struct.pack("<I", 110))
    rest = [2] if "mm" in name else []
    steps += call(NUMBERS[bits][name], draw(descriptors), (base, place), *rest, 0x40, 0)  # MSG_DONTWAIT
    shown = [show(TRAPPED, offset - 8, 216) for offset in places]
    return steps + b"".join(shown) + show(base, place + word, word) + show(base, place + 3 * word, word)


def calls(bits: int) -> st.SearchStrategy[bytes]:
    """Return scripts of calls."""
    return st.lists(plain(bits) | messages(bits), min_size=30, max_size=100).map(b"".join)


@pytest.mark.parametrize("way", scripts.WAYS, ids=str)
@settings(scripts.LAW, max_examples=2)
@given(data=st.data())
def test_every_call_ends_as_natively(way: Way, data: st.DataObject) -> None:
    """Result, errno and memory of a call are those of a run with ordinary memory."""
    assert scripts.difference(data.draw(calls(way.bits)), way) == ""
