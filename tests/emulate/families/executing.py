"""Executing one instruction in a test, and reading what it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from decode.operands import READ, WRITE
from emulate import Cpu, Emulator, Fault
from tests.emulate.everywhere import Everywhere


class Touch(NamedTuple):
    """One access with its value."""

    direction: int
    address: int
    width: int
    value: int


def execute(
    code: str, cpu: Cpu, memory: Mapping[int, bytes] | None = None, bus: Everywhere | None = None
) -> list[Touch]:
    """Execute one instruction, memory holding these bytes; return its accesses."""
    bus = bus or Everywhere()
    for address, data in (memory or {}).items():
        bus.memory.update(enumerate(data, address))
    Emulator(bus).step(cpu, bytes.fromhex(code))
    return [Touch(*touch, value) for touch, value in zip(bus.log, bus.values, strict=True)]


def refused(fault: type[Fault], code: str, cpu: Cpu, memory: Mapping[int, bytes] | None = None) -> Everywhere:
    """Execute an instruction that faults: no register changes, nothing is written. Return the bus."""
    before, bus = cpu.copy(), Everywhere()
    with pytest.raises(fault):
        execute(code, cpu, memory, bus)
    assert cpu == before
    assert all(direction == READ for direction, _, _ in bus.log)
    return bus


def reads(address: int, width: int, value: int) -> Touch:
    """A read of a value."""
    return Touch(READ, address, width, value)


def writes(address: int, width: int, value: int) -> Touch:
    """A write of a value."""
    return Touch(WRITE, address, width, value)


def word(value: int, width: int) -> bytes:
    """A value as memory holds it."""
    return value.to_bytes(width, "little")
