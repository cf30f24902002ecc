"""`pagetrap doctor` under a seccomp filter, as a container's or a sandbox's."""

import json
import subprocess
import sys
from collections.abc import Sequence
from errno import EPERM
from typing import Any, Final

from mmio.linux.seccomp import Rule, program
from tests.mmio.commands.process import ENVIRONMENT

REFUSED: Final = 0x00050000 | EPERM  # SECCOMP_RET_ERRNO (linux/seccomp.h)
KILLED: Final = 0x80000000  # SECCOMP_RET_KILL_PROCESS

_INSTALL: Final = """\
import ctypes, os, sys
code = bytes.fromhex(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(Program(len(code) // 8, code)), 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.executable, [sys.executable, "-m", "pagetrap", "doctor", *sys.argv[2:]])
"""


def doctor(*options: str, calls: Sequence[int] = (), action: int = REFUSED) -> "subprocess.CompletedProcess[str]":
    """Run `pagetrap doctor` in a process whose system calls of the given numbers meet a filter's action."""
    rules = [Rule(number) for number in calls]
    run = [sys.executable, "-c", _INSTALL, program(rules, [], [], action=action).hex(), *options]
    return subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=110)


def examined(*options: str, calls: Sequence[int] = (), action: int = REFUSED) -> tuple[int, Any, dict[str, Any]]:
    """Return the exit status, the names of what is broken, and the findings by name."""
    done = doctor("--json", *options, calls=calls, action=action)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["works"] == (done.returncode == 0)
    return done.returncode, told["broken"], {finding["name"]: finding for finding in told["findings"]}
