"""Counts of accesses by their path: signal, frame or direct call."""

from attrs import frozen


@frozen
class TrapStats:
    """Counts of accesses, by the way they came to the device.

    Attributes:
        signals: accesses by a fault.
        calls: accesses by a call, of instructions that have been patched.
        patched: instructions that have been.
        unpatched: how many have not been, by the reason.
    """

    signals: int
    calls: int
    patched: int
    unpatched: dict[str, int]
