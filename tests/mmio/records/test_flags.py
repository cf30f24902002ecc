"""Flags of a record."""

from mmio.records import flags
from mmio.records.flags import ATOMIC, SPLIT, UNALIGNED, flag_names


def test_each_flag_is_a_bit_of_its_own() -> None:
    """Flags combine without loss: every one is a different power of two, and has a name."""
    bits = [value for name, value in vars(flags).items() if name.isupper() and isinstance(value, int)]
    assert sorted(bits) == [1 << i for i in range(len(bits))]
    assert sorted(flags.NAMES) == sorted(bits)


def test_flag_names_lists_what_is_set() -> None:
    """The words come in the order of the bits; no flags, no words."""
    assert flag_names(ATOMIC | SPLIT | UNALIGNED) == ("split", "unaligned", "atomic")
    assert flag_names(0) == ()
