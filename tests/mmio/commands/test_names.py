"""Names of the code of programs that have come and gone."""

import os
import subprocess
import sys
from ctypes import CDLL

from mmio.commands.names import Names
from mmio.linux.libc import address_of


def _libc(pid: int) -> int:
    """Return an address in the C library of a process."""
    with open(f"/proc/{pid}/maps") as maps:
        line = next(line for line in maps if "libc" in line and " r-xp " in line)
    return int(line.partition("-")[0], 16) + 0x100


def _process() -> "subprocess.Popen[bytes]":
    """A process that lives until its input ends, with everything it needs mapped."""
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_names_outlive_the_program() -> None:
    """Where an instruction was is known when the program is gone, to whom it belongs as well."""
    threads: list[int] = []
    names = Names(lambda: threads)
    ips = []
    for _ in range(2):
        with _process() as process:
            threads.append(process.pid)
            ips.append(_libc(process.pid))
            assert names.locate(ips[-1])
            process.communicate(b"\n")
            threads.clear()
    for ip in ips:
        assert "libc" in names(ip)
        location = names.locate(ip)
        assert location is not None
        assert location.module.startswith("libc")


def test_what_was_never_seen_has_no_name() -> None:
    """An address that was never executed, or in a process that is not there, is a number."""
    names = Names(lambda: [2**22 + 1])
    assert names(0x1234) == "0x1234"
    assert names.locate(0x1234) is None


def test_every_program_is_asked() -> None:
    """Code that the first of several programs does not have is named by another."""
    ip = address_of(CDLL(None).getpid)
    with subprocess.Popen(["sleep", "100"]) as sleeper:
        try:
            names = Names(lambda: [sleeper.pid, os.getpid()])
            assert names(ip) == Names(lambda: [os.getpid()])(ip) != hex(ip)
        finally:
            sleeper.kill()
