"""What docs/permissions.md says of a place where ptrace or seccomp is forbidden, as in some containers, is so."""

import ctypes
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmio.linux.libc import LIBC
from mmio.linux.prctl import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
from tests.documents import TOP
from tests.examples.command import EXAMPLES, environment, need_program

PAGE = (TOP / "docs" / "permissions.md").read_text()
CALLS = {"ptrace": 101, "seccomp": 317}  # numbers of the 64-bit table


def without(call: str) -> Callable[[], None]:
    """Return a function that takes a system call away from its process: from then on it fails with EPERM."""
    lines = [
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 0, 1, CALLS[call]),  # another one: skip the next line
        (0x06, 0, 0, 0x50001),  # SECCOMP_RET_ERRNO with EPERM
        (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in lines))

    def forbid() -> None:
        program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(lines), ctypes.addressof(code)))
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        LIBC.prctl(PR_SET_SECCOMP, 2, program)  # SECCOMP_MODE_FILTER

    return forbid


def run(forbidden: str, command: list[str], directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run `pagetrap` with some arguments where a system call is forbidden."""
    return subprocess.run(
        [sys.executable, "-m", "mmio", *command],
        cwd=directory,
        env=environment(),
        preexec_fn=without(forbidden),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.parametrize(
    ("engine", "forbidden", "message"),
    [
        ("ptrace", "ptrace", "not permitted to trace process"),
        ("inprocess", "ptrace", ""),
        ("ptrace", "seccomp", ""),
        ("inprocess", "seccomp", "no seccomp filter can be had here"),
    ],
)
def test_each_engine_needs_what_the_page_says(engine: str, forbidden: str, message: str, tmp_path: Path) -> None:
    """Without the other engine's permission a program reads its register; without its own it says why not."""
    need_program("memtool", "memtool")
    device = f"{EXAMPLES}/registers.py:Registers@/dev/uio0"
    program = ["memtool", "md", "-s", "/dev/uio0", "-l", "0x20+4"]
    done = run(forbidden, ["run", "-q", f"--engine={engine}", "--device", device, "--", *program], tmp_path)
    if not message:
        assert (done.returncode, done.stdout.split()[:2]) == (0, ["00000020:", "23222120"]), done.stderr
    else:
        assert done.returncode != 0
        (shown,) = re.findall(rf"^pagetrap: {message}.*$", PAGE, re.MULTILINE)
        said = re.sub(r"process \d+", "process 4711", done.stderr.strip())
        assert re.sub(r"\(it is \d\)", "(it is 1)", said) == shown


def test_a_mapping_in_this_process_needs_neither(tmp_path: Path) -> None:
    """`mmio.ioremap` works where ptrace is forbidden, and where seccomp is."""
    code = "import ctypes, mmio, emulate\nwith mmio.ioremap(emulate.Ram(b'\\5' * 8), length=8) as mapping:\n"
    code += "    print(ctypes.c_uint8.from_address(mapping.address).value)"
    for forbidden in CALLS:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment(),
            preexec_fn=without(forbidden),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("5\n", "")
