"""The sixteen condition codes, SETcc and CMOVcc."""

from typing import Final

from decode.operands import RegisterOperand
from emulate.builder import Builder
from emulate.flags import CF, OF, PF, SF, ZF
from emulate.recipes import recipe

_SIGNED_LESS = f"({{0}} >> 4 ^ {{0}}) & {SF:#x}"  # SF differs from OF, which lies four bits higher
_HOLDS: Final = {
    "o": ("no", f"{{0}} & {OF:#x}"),
    "b": ("ae", f"{{0}} & {CF:#x}"),
    "e": ("ne", f"{{0}} & {ZF:#x}"),
    "be": ("a", f"{{0}} & {CF | ZF:#x}"),
    "s": ("ns", f"{{0}} & {SF:#x}"),
    "p": ("np", f"{{0}} & {PF:#x}"),
    "l": ("ge", _SIGNED_LESS),
    "le": ("g", f"({_SIGNED_LESS} | {{0}} & {ZF:#x})"),
}
"""Each condition with its opposite and the Python of it, {0} standing for rflags (SDM vol. 1, appendix B)."""

CONDITIONS: Final = {name: text for name, (_, text) in _HOLDS.items()} | {
    opposite: f"not {text}" for opposite, text in _HOLDS.values()
}
"""All sixteen, by the ending of the mnemonics."""


def condition(b: Builder, name: str) -> str:
    """Return the expression that is true when a condition holds."""
    return CONDITIONS[name].format(b.flags)


@recipe(*(f"set{name}" for name in CONDITIONS))
def setcc(b: Builder) -> None:
    """Write 1 or 0; memory is not read."""
    (destination,) = b.instruction.operands
    b.write(destination, f"(1 if {condition(b, b.instruction.mnemonic[3:])} else 0)")


@recipe(*(f"cmov{name}" for name in CONDITIONS))
def cmov(b: Builder) -> None:
    """Copy if the condition holds; the source is read either way, a 32-bit destination zero-extended either way."""
    destination, source = b.instruction.operands
    assert isinstance(destination, RegisterOperand)
    value, holds = b.read(source), condition(b, b.instruction.mnemonic[4:])
    b.write(destination, f"({value} if {holds} else {b.read(destination)})")
