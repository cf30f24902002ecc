"""Facts of the CPU and of the kernel, each tried in a child where trying it may be fatal."""

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from typing import Final

from pagetrap.doctor import child
from pagetrap.doctor.finding import Finding, findings, first_line

_VECTORS: Final = (("avx512f", "AVX-512"), ("avx", "AVX"), ("sse2", "SSE"))
"""Vector extensions by their flags in /proc/cpuinfo, the widest first."""

_SYSCALL: Final = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*[ctypes.c_long(argument) for argument in arguments])
    if result < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return result
"""

# System call numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
_SECCOMP: Final = """\
for action in 0x00030000, 0x7ff00000, 0x7fff0000:  # TRAP, TRACE, ALLOW (linux/seccomp.h), GET_ACTION_AVAIL is 2
    asked = ctypes.c_uint32(action)
    call(317, 2, 0, ctypes.addressof(asked))
"""
_MEMBARRIER: Final = """\
if not call(324, 0, 0, 0) & 1 << 5:  # QUERY, PRIVATE_EXPEDITED_SYNC_CORE (linux/membarrier.h)
    sys.exit("the kernel has no SYNC_CORE command")
call(324, 1 << 6, 0, 0)
call(324, 1 << 5, 0, 0)
"""
_USERFAULTFD: Final = "call(323, 1 | os.O_CLOEXEC)  # UFFD_USER_MODE_ONLY (linux/userfaultfd.h)\n"
_KVM: Final = """\
import fcntl
try:
    version = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), 0xAE00)  # KVM_GET_API_VERSION (linux/kvm.h)
except OSError as error:
    sys.exit(f"/dev/kvm: {error.strerror}")
if version != 12:
    sys.exit(f"KVM API version {version}, expected 12")
"""
_OWN_MEMORY: Final = """\
libc.mmap.restype = ctypes.c_void_p
page = libc.mmap(None, ctypes.c_size_t(4096), 1, 0x22, -1, ctypes.c_size_t(0))  # PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS
try:
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(page)
        memory.write(b"1")
except OSError as error:
    sys.exit(error.strerror)
if ctypes.string_at(page, 1) != b"1":
    sys.exit("what was written is not there")
"""
_SEIZE: Final = """\
import signal
libc.ptrace.argtypes = [ctypes.c_long] * 4
tracee = os.fork()
if not tracee:
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.pause()
def seize():
    if libc.ptrace(0x4206, tracee, 0, 0) < 0:  # PTRACE_SEIZE (linux/ptrace.h)
        os.write(2, os.strerror(ctypes.get_errno()).encode())
        os._exit(1)
    os._exit(0)
if RELATION == "sibling":
    tracer = os.fork()
    if not tracer:
        seize()
    status = os.waitstatus_to_exitcode(os.waitpid(tracer, 0)[1])
else:
    status = 0
    if libc.ptrace(0x4206, tracee, 0, 0) < 0:
        os.write(2, os.strerror(ctypes.get_errno()).encode())
        status = 1
os.kill(tracee, signal.SIGKILL)
os.waitpid(tracee, 0x40000000)  # __WALL
sys.exit(status)
"""


def cpu() -> Iterator[Finding]:
    """Yield the findings about the CPU."""
    yield from findings("architecture", _architecture)
    yield from findings("processor", _processor)


def kernel() -> Iterator[Finding]:
    """Yield the findings about the kernel: what its configuration and this process's permissions allow."""
    yield from findings("version", _version)
    yield from findings("seccomp", _seccomp)
    yield from findings("ptrace", _ptrace)
    yield from _tried("membarrier", _MEMBARRIER, "SYNC_CORE", "; instructions cannot be patched")
    yield from _tried("/proc/self/mem", _OWN_MEMORY, "writes through page protections")
    yield from _tried("KVM", _KVM, "guests run at full speed", "; guests are emulated, several times slower")
    yield from _tried("userfaultfd", _USERFAULTFD, "available", "; no engine needs it")


def _architecture() -> Iterable[Finding]:
    machine, bits = platform.machine(), sys.maxsize.bit_length() + 1
    is_right = machine == "x86_64" and bits == 64
    detail = f"{machine}, {bits}-bit Python" + ("" if is_right else "; the engines need 64-bit Python on x86-64 Linux")
    return [Finding("architecture", "ok" if is_right else "failed", detail, "")]


def _processor() -> Iterator[Finding]:
    facts: dict[str, str] = {}
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    vendor, flags = facts.get("vendor_id", "unknown vendor"), set(facts.get("flags", "").split())
    yield Finding("processor", "ok", f"{facts.get('model name', 'unknown')} ({vendor})")
    found = next((name for flag, name in _VECTORS if flag in flags), "none")
    lacking = [name for flag, name in _VECTORS if flag not in flags]
    if "xsave" not in flags:
        detail = f"{found}, saved by FXSAVE: the engines do without native completion"
        yield Finding("vector state", "warning", detail)
    else:
        yield Finding("vector state", "ok", f"{found}, saved by XSAVE: instructions of it can be completed by this CPU")
    judged = "all that is recorded in the conformance kit" if not lacking else f"all but {', '.join(lacking)}"
    yield Finding("can be checked here", "ok" if not lacking else "absent", f"{judged}, on the CPU itself")


def _version() -> Iterable[Finding]:
    name = os.uname()
    release = tuple(int(part) for part in name.release.split("-")[0].split(".")[:2] if part.isdigit())
    is_linux = name.sysname == "Linux"
    detail = f"{name.sysname} {name.release}"
    if not is_linux:
        return [Finding("version", "failed", f"{detail}; the engines need Linux", "")]
    if release < (5, 10):
        return [Finding("version", "warning", f"{detail}; nothing before 5.10 has been tried")]
    return [Finding("version", "ok", detail)]


def _seccomp() -> Iterator[Finding]:
    state = {}
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            state[name] = value.strip()
    mode = {"0": "this process is not filtered", "1": "strict mode", "2": "this process runs under a filter"}
    own = mode.get(state.get("Seccomp", ""), "its mode is unknown")
    if state.get("NoNewPrivs") == "1":
        own += ", no_new_privs is set"
    yield from _tried("seccomp", _SECCOMP, f"filters with TRAP and TRACE; {own}", f"; {own}")


def _ptrace() -> Iterator[Finding]:
    yield from _tried("ptrace of a child", f"RELATION = 'child'\n{_SEIZE}", "permitted", "; programs cannot be traced")
    try:
        scope = first_line("/proc/sys/kernel/yama/ptrace_scope")
        scope = f"kernel.yama.ptrace_scope is {scope}"
    except OSError:
        scope = "there is no Yama"
    hint = f"; {scope}; attach needs root, CAP_SYS_PTRACE or scope 0"
    yield from _tried("ptrace of other processes", f"RELATION = 'sibling'\n{_SEIZE}", f"permitted; {scope}", hint)


def _tried(name: str, code: str, works: str, hint: str = "") -> Iterator[Finding]:
    """Yield whether code of `_SYSCALL`'s kind exits with 0 in a child."""
    outcome = child.python(_SYSCALL + code, bare=True)
    if outcome.succeeded:
        yield Finding(name, "ok", works)
    else:
        yield Finding(name, "absent", outcome.reason + hint)
