"""The seccomp filter, run by an interpreter of classic BPF."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.linux.seccomp import ARCH_32, ARCH_64, WINDOW, Rule, When, program

ALLOW, TRACE = 0x7FFF0000, 0x7FF00000


def verdict(code: bytes, number: int, *arguments: int, arch: int = ARCH_64, ip: int = 0) -> int:
    """Return what a filter says of a system call."""
    data = struct.pack("<IIQ6Q", number, arch, ip, *arguments, *[0] * (6 - len(arguments)))
    accumulator = at = 0
    while True:
        operation, if_true, if_false, constant = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                accumulator &= constant
            case 0x15:
                at += if_true if accumulator == constant else if_false
            case 0x25:
                at += if_true if accumulator > constant else if_false
            case 0x35:
                at += if_true if accumulator >= constant else if_false
            case 0x45:
                at += if_true if accumulator & constant else if_false
            case 0x05:
                at += constant
            case 0x06:
                return int(constant)
            case _:
                pytest.fail(f"unknown operation {operation:#x}")


CODE = program(
    [Rule(9, (When(3, 0x20, clear=True), When(3, 0x10))), Rule(11)],
    [Rule(91)],
    [range(0x1234_0000, 0x1234_1000), range(0x1_FFFF_F000, 0x2_0000_1000)],
)


def test_named_calls_stop() -> None:
    """A rule without conditions stops a call always, others are let through; each kind of code has its own numbers."""
    assert verdict(CODE, 11) == TRACE
    assert verdict(CODE, 12) == ALLOW
    assert verdict(CODE, 91) == ALLOW
    assert verdict(CODE, 91, arch=ARCH_32) == TRACE
    assert verdict(CODE, 11, arch=ARCH_32) == ALLOW


@pytest.mark.parametrize(("flags", "expected"), [(0x02, TRACE), (0x22, ALLOW), (0x32, TRACE), (0x12, TRACE)])
def test_conditions_look_at_an_argument(flags: int, expected: int) -> None:
    """A rule with conditions stops a call when any of them holds."""
    assert verdict(CODE, 9, 0, 0, 0, flags) == expected


@pytest.mark.parametrize("argument", range(6))
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (WINDOW.start - 1, ALLOW),
        (WINDOW.start, TRACE),
        (WINDOW.stop - 1, TRACE),
        (WINDOW.stop, ALLOW),
        (0x1233_FFFF, ALLOW),
        (0x1234_0000, TRACE),
        (0x1234_0FFF, TRACE),
        (0x1234_1000, ALLOW),
        (0x1_1234_0000, ALLOW),
        (0x2_0000_0FFF, TRACE),
        (0x2_0000_1000, ALLOW),
        (0x1_FFFF_EFFF, ALLOW),
        (0x1_FFFF_F000, TRACE),
        (0x4_0000_0000, ALLOW),
    ],
)
def test_arguments_that_point_there_stop(argument: int, value: int, expected: int) -> None:
    """Any call stops that has an argument in a watched range; also one across a multiple of 4 GiB."""
    assert verdict(CODE, 999, *[0] * argument, value) == expected


def test_only_calls_from_some_places_are_concerned() -> None:
    """A filter with callers lets code elsewhere make any call; what stops has the action asked for."""
    code = program([Rule(11)], [], [], action=0x30000, callers=[range(0x4000 << 32, 0x5000 << 32), range(1 << 32)])
    for ip in (0, 0xFFFF_FFFF, 0x4000_0000_0000, 0x4FFF_FFFF_FFFF):
        assert verdict(code, 11, ip=ip) == 0x30000
        assert verdict(code, 12, ip=ip) == ALLOW
    for ip in (0x1_0000_0000, 0x3FFF_FFFF_FFFF, 0x5000_0000_0000, 0x7FFF_0000_0000):
        assert verdict(code, 11, ip=ip) == ALLOW


ADDRESSES = st.integers(0, 40).flatmap(
    lambda near: st.sampled_from([near << 32, (1 << 47) - near, (1 << 64) - 1 - near, near])
)


@given(
    st.tuples(ADDRESSES, ADDRESSES, st.integers(-2, 2)).map(
        lambda of: range(min(of[:2]), min(max(of[:2]) + of[2] % 5 + 1, 1 << 64))
    ),
    st.lists(ADDRESSES | st.integers(0, (1 << 64) - 1), min_size=1, max_size=8),
)
def test_a_range_of_any_length_takes_few_instructions(addresses: range, arguments: list[int]) -> None:
    """A range stops the calls that point into it, and no others, however many upper halves it has."""
    code = program([], [], [addresses])
    assert len(code) // 8 < 200
    edges = [addresses.start - 1, addresses.start, addresses.stop - 1, addresses.stop]
    for argument in [*arguments, *(edge for edge in edges if 0 <= edge < 1 << 64)]:
        expected = TRACE if any(value in addresses or value in WINDOW for value in (argument, 0)) else ALLOW
        assert verdict(code, 11, 0, argument) == expected
