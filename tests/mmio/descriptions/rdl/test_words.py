"""The words of SystemRDL that need no note."""

from systemrdl.compiler import RDLCompiler

from mmio.descriptions.rdl.words import PROPERTY, SILENT


def test_every_word_is_one_of_systemrdl() -> None:
    """A misspelt word here would stand for nothing."""
    known = RDLCompiler().env.property_rules.rdl_properties
    assert SILENT - set(known) == {PROPERTY}


def test_what_changes_registers_by_itself_is_noted() -> None:
    """Software sees the effects of these, so silence would be a loss."""
    changing = {"counter", "intr", "hwset", "hwclr", "sticky", "swwe", "swwel", "rsvdset", "bigendian", "paritycheck"}
    assert not SILENT & changing
