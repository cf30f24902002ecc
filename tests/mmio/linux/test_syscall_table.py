"""The table of system calls against the kernel's own headers."""

import os
import re
import shutil
import subprocess

import pytest

from mmio.linux.syscall_notation import STRUCTURES, argument
from mmio.linux.syscall_table import NUMBERS, SIGNATURES
from mmio.linux.syscall_variants import SEND_RECEIVE, SOCKETCALLS, VARIANTS
from mmio.program.syscall_rules import RULES
from tests.needs import need

INCLUDES = (
    "asm/fcntl asm/ldt asm/msgbuf asm/poll asm/sembuf asm/shmbuf asm/siginfo asm/signal asm/stat asm/statfs "
    "linux/aio_abi linux/capability linux/eventpoll linux/io_uring linux/mqueue linux/resource linux/sem linux/stat "
    "linux/sysinfo linux/time linux/times linux/timex linux/uio linux/utime linux/utsname"
)
TYPES = {
    "cap_header": "struct __user_cap_header_struct",
    "itimerspec64": "struct __kernel_itimerspec",
    "msqid64": "struct msqid64_ds",
    "off": "__kernel_off_t",
    "old_sigaction": "struct sigaction",
    "old_stat": "struct __old_kernel_stat",
    "old_utsname": "struct old_utsname",
    "oldest_utsname": "struct oldold_utsname",
    "semid64": "struct semid64_ds",
    "shmid64": "struct shmid64_ds",
    "sigevent": "sigevent_t",
    "siginfo": "siginfo_t",
    "stack": "stack_t",
    "timespec64": "struct __kernel_timespec",
    "timex64": "struct __kernel_timex",
    "utsname": "struct new_utsname",
    "word": "long",
    "int": "int",
    "short": "short",
}
NOT_IN_HEADERS = {"old_dirent", "shm_info", "ustat", "waitinfo", "user_regs", "user_fpregs"}
"""Those of the kernel's own sources (fs/readdir.c, fs/statfs.c, kernel/exit.c), of linux/shm.h and sys/user.h."""


def compiler() -> str:
    """Return a C compiler."""
    found = os.environ.get("CC", "cc")
    need(shutil.which(found), f"a C compiler, {found} (apt-get install gcc libc6-dev)")
    return found


def compiled(source: str, bits: int, *flags: str) -> str:
    """Return what the compiler says to a source for one kind of programs, or makes of it."""
    name = subprocess.run([compiler(), "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    whole = [compiler(), f"-m{bits}", f"-I/usr/include/{name}", "-x", "c", *flags, "-"]
    done = subprocess.run(whole, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("bits", [64, 32])
def test_every_call_of_the_headers_is_in_the_table(bits: int) -> None:
    """Each number of asm/unistd.h is in the table under its name; no number is there twice."""
    macros = compiled("#include <asm/unistd.h>", bits, "-dM", "-E")
    headers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)\n", macros)}
    assert len(headers) > 350
    assert headers.items() <= NUMBERS[bits].items()
    assert len(set(NUMBERS[bits].values())) == len(NUMBERS[bits])
    assert NUMBERS[bits].keys() == SIGNATURES[bits].keys()


@pytest.mark.parametrize("bits", [64, 32])
def test_structures_are_as_large_as_in_the_headers(bits: int) -> None:
    """The sizes of structures are those that the headers give them."""
    source = "#include <linux/types.h>\n" + "".join(f"#include <{name}.h>\n" for name in INCLUDES.split())
    for name, sizes in STRUCTURES.items():
        size = sizes[bits == 32]
        if name == "sigaction" and bits == 32:
            continue  # the headers have the older one
        if size and name not in NOT_IN_HEADERS and not (name == "old_sigaction" and bits == 64):
            kind = TYPES.get(name, f"struct {name}")
            source += f'_Static_assert(sizeof({kind}) == {size}, "{name}");\n'
    compiled(source, bits, "-fsyntax-only")


def test_variants_and_rules_are_those_of_the_signatures() -> None:
    """Each rule that a signature names is there, each variant can be read, and none is left over."""
    named, variants = set(), set()
    for bits in (64, 32):
        for name, signature in SIGNATURES[bits].items():
            texts = {part.text for part in signature if part is not None and part.kind == "rule"}
            named |= texts
            variants |= {name} if "variant" in texts else set()
    for _, _, by_value in VARIANTS.values():
        parts = [argument(word) for text in by_value.values() for word in text.split()]
        named |= {part.text for part in parts if part is not None and part.kind == "rule"}
    assert named - {"variant", "socketcall"} == RULES.keys()
    assert variants == VARIANTS.keys()
    assert set(SOCKETCALLS.values()) <= NUMBERS[32].keys() | SEND_RECEIVE.keys()


@pytest.mark.parametrize("text", ["", "x", "<", ">nothing", "<[x]", ">8!", "<path[1]2"])
def test_what_is_no_notation_is_refused(text: str) -> None:
    """A word that means nothing is an error that shows it."""
    with pytest.raises(ValueError, match="expected"):
        argument(text)
