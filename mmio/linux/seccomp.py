"""Seccomp filter of a spawned program: selects the system calls that stop it for the tracer.

All other calls go at full speed. A call stops when it is one of those named, or when any of its arguments points into
one of the given ranges: that is how a buffer on a device is noticed whatever the call, without stopping at every read.
A mapping we trap is for that reason put into a part of the address space of its own, `WINDOW`, which the filter knows
before anything is mapped.

The program is classic BPF over struct seccomp_data (linux/seccomp.h, linux/filter.h).
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from attrs import frozen

ARCH_64: Final = 0xC000003E  # AUDIT_ARCH_X86_64
ARCH_32: Final = 0x40000003  # AUDIT_ARCH_I386

WINDOW: Final = range(0x5A00_0000_0000, 0x5B00_0000_0000)
"""Where trapped mappings of 64-bit programs go: above any executable and below all libraries."""

STOP: Final = 0x7FF00000  # SECCOMP_RET_TRACE
"""Let a call stop for the tracer."""
TRAP: Final = 0x00030000  # SECCOMP_RET_TRAP
"""Let a call become a SIGSYS."""

_ALLOW: Final = 0x7FFF0000
_RT_SIGRETURN: Final = 15  # of the 64-bit table, which imports this module
_HALF: Final = 0xFFFFFFFF
_NR: Final = 0
_ARCH: Final = 4
_CALLER: Final = 8
_ARGUMENTS: Final = 16

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ABOVE: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06
_JUMP: Final = 0x05


@frozen
class When:
    """A condition on the low half of one argument of a call: some bit of `mask` is set, or with `clear` none is."""

    argument: int
    mask: int
    clear: bool = False


@frozen
class Equal:
    """A condition on the low half of one argument of a call: its bits under `mask` are `value`."""

    argument: int
    value: int
    mask: int = 0xFFFFFFFF


@frozen
class Rule:
    """One call that stops: always, or when any condition holds."""

    number: int
    conditions: tuple[When | Equal, ...] = ()


def program(
    rules_64: Sequence[Rule],
    rules_32: Sequence[Rule],
    ranges: Iterable[range],
    *,
    action: int = STOP,
    callers: Sequence[range] = (),
) -> bytes:
    """Return the filter as an array of struct sock_filter.

    Args:
        rules_64: for 64-bit system calls.
        rules_32: for 32-bit system calls.
        ranges: of addresses; a call with an argument there stops.
        action: what becomes of a call that stops.
        callers: multiples of 4 GiB; code elsewhere is not concerned. Nowhere is everywhere.
    """
    # rt_sigreturn has no arguments: what the registers hold is left from the signal handler.
    wide = b"".join(_rule(rule, action) for rule in rules_64)
    wide += _rule(Rule(_RT_SIGRETURN), _ALLOW) + _arguments_in_window(action)
    pieces = [piece for addresses in ranges for piece in _pieces(addresses)]
    wide += b"".join(_arguments_in(piece, action) for piece in pieces)
    narrow = b"".join(_rule(rule, action) for rule in rules_32)
    narrow += b"".join(_arguments_in(piece, action) for piece in pieces if piece.start < 1 << 32)
    allow = _op(_RETURN, _ALLOW)
    code = _called_from(callers) + _op(_LOAD, _ARCH)
    code += _op(_EQUAL, ARCH_64, 1, 0)
    code += _op(_JUMP, (len(wide) + len(allow)) // 8)
    return code + wide + allow + narrow + allow


def _op(code: int, constant: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, constant)


def _called_from(callers: Sequence[range]) -> bytes:
    """Return code that allows a call made outside some places, and falls through for any other."""
    if not callers:
        return b""
    code = _op(_LOAD, _CALLER + 4)
    for left, place in zip(range(len(callers) - 1, -1, -1), callers, strict=True):
        code += _op(_AT_LEAST, place.start >> 32, 0, 1)
        code += _op(_AT_LEAST, place.stop >> 32, 0, 2 * left + 1)
    return code + _op(_RETURN, _ALLOW)


def _rule(rule: Rule, action: int) -> bytes:
    """Return code that stops a call, and falls through for any other."""
    body = b""
    for when in rule.conditions:
        body += _op(_LOAD, _ARGUMENTS + 8 * when.argument)
        if isinstance(when, Equal):
            body += _op(_AND, when.mask) + _op(_EQUAL, when.value, 0, 1)
        else:
            body += _op(_ANY_BIT, when.mask, *((1, 0) if when.clear else (0, 1)))
        body += _op(_RETURN, action)
    if not rule.conditions:
        body = _op(_RETURN, action)
    return _op(_LOAD, _NR) + _op(_EQUAL, rule.number, 0, len(body) // 8) + body


def _pieces(addresses: range) -> Iterator[range]:
    """Cut a range into at most three: within one upper half, of whole upper halves, within one again."""
    start, stop = addresses.start, addresses.stop
    whole = -(-start >> 32) << 32, stop >> 32 << 32  # from the first upper half that is whole to the end of the last
    if whole[0] > whole[1]:  # it begins and ends within one
        whole = stop, stop
    cuts = [start, min(max(whole[0], start), stop), max(min(whole[1], stop), start), stop]
    return (range(first, last) for first, last in pairwise(cuts) if first < last)


def _arguments_in(addresses: range, action: int) -> bytes:
    """Return code that stops a call with an argument in a range, within one upper half or of whole ones.

    The filter sees each argument in two halves.
    """
    first, last = addresses.start >> 32, addresses.stop - 1 >> 32
    code = b""
    for argument in range(6):
        low = _ARGUMENTS + 8 * argument
        code += _op(_LOAD, low + 4)
        if first < last:
            code += _op(_AT_LEAST, first, 0, 2)
            code += _op(_ABOVE, last, 1, 0)
        else:
            code += _op(_EQUAL, first, 0, 4)
            code += _op(_LOAD, low)
            code += _op(_AT_LEAST, addresses.start & _HALF, 0, 2)
            code += _op(_ABOVE, addresses.stop - 1 & _HALF, 1, 0)
        code += _op(_RETURN, action)
    return code


def _arguments_in_window(action: int) -> bytes:
    """Return code that stops a call with an argument in `WINDOW`, which a mask of its upper half tells."""
    mask = ~(len(WINDOW) - 1 >> 32) & 0xFFFFFFFF
    code = b""
    for argument in range(6):
        code += _op(_LOAD, _ARGUMENTS + 8 * argument + 4)
        code += _op(_AND, mask)
        code += _op(_EQUAL, WINDOW.start >> 32, 0, 1)
        code += _op(_RETURN, action)
    return code
