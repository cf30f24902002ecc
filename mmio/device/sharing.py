"""Registers that share bytes: the register that an access reaches.

Small devices have more registers than offsets. One offset is then one register for reads and another for writes (a
UART's IIR and FCR), or this register or that one as a bit elsewhere says (a UART's DLAB). Both are declared as they
are: by `access`, and by `when`.
"""

from typing import Any

from attrs import evolve, frozen

from mmio.device.member import Member


@frozen
class Selection:
    """A register has `value` in the bits of `mask`; made by `Register.has`."""

    register: Member[Any]
    mask: int
    value: int


@frozen
class Condition:
    """A selection as a layout has it, by the register's name there."""

    register: str
    mask: int
    value: int

    def excludes(self, other: "Condition") -> bool:
        """Return whether the two can never hold at once."""
        return self.register == other.register and bool((self.value ^ other.value) & self.mask & other.mask)

    def within(self, block: str) -> "Condition":
        """Return the condition as the outer device has it."""
        return evolve(self, register=f"{block}.{self.register}")
