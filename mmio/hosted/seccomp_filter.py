"""Seccomp filter of this process while it hosts a program: selects the program's calls that raise SIGSYS.

The filter looks at where a call is made. Those of Python and its libraries, made elsewhere, are never stopped. It
cannot be removed. Once the program has ended, this process has no code where the filter looks; a process that it starts
later inherits the filter, and may have (see `Host.run`).
"""

import ctypes
import errno
import os
import struct
from collections.abc import Mapping, Sequence
from ctypes import addressof
from typing import Final

from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.raw_syscall import system_call
from mmio.linux.prctl import PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER
from mmio.linux.seccomp import TRAP, Equal, Rule, When, program
from mmio.linux.syscall_table import NUMBERS, rules
from mmio.program.targets import Targets

_SECCOMP: Final = NUMBERS[64]["seccomp"]
_PRCTL: Final = NUMBERS[64]["prctl"]


def begin(targets: Targets, host_calls: Mapping[int, tuple[When | Equal, ...]], callers: Sequence[range]) -> None:
    """Install the filter: calls that matter for the targets, and those that the host answers, raise SIGSYS.

    Args:
        targets: what is to be trapped.
        host_calls: numbers of system calls that the host answers, with the conditions under which it does.
        callers: addresses of the program's code; calls made elsewhere pass.

    Raises:
        HostError: the kernel has no such filters, or forbids them here.
    """
    found = {rule.number: rule for rule in rules(64, **targets.concerns())}
    for number, conditions in host_calls.items():
        other = found.get(number)
        if other is None or not conditions:
            found[number] = Rule(number, tuple(conditions))
        elif other.conditions:
            found[number] = Rule(number, (*other.conditions, *conditions))
    every = [Rule(number) for number in NUMBERS[32].values()]
    _install(program(list(found.values()), every, targets.watched(), action=TRAP, callers=callers))


def watch(addresses: range, callers: Sequence[range]) -> None:
    """Trap system calls with an argument in an address range as well."""
    _install(program([], [], [addresses], action=TRAP, callers=callers))


def _install(code: bytes) -> None:
    text = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code) // 8, addressof(text)))  # struct sock_fprog
    call = (_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, addressof(header))
    result = system_call(*call)
    if result in (-errno.EACCES, -errno.EPERM):  # only those with CAP_SYS_ADMIN may, unless nothing can be gained by it
        system_call(_PRCTL, PR_SET_NO_NEW_PRIVS, 1)
        result = system_call(*call)
    if result < 0:
        raise HostError(f"no seccomp filter can be had here: {os.strerror(-result)}; {ADVICE}")
