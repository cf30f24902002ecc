"""Flag bits, and which flags an instruction leaves undefined.

The undefined ones are a table and not a comment, because the comparison with the real CPU reads it too.
"""

from typing import Final

CF: Final = 1 << 0
PF: Final = 1 << 2
AF: Final = 1 << 4
ZF: Final = 1 << 6
SF: Final = 1 << 7
TF: Final = 1 << 8
IF: Final = 1 << 9
DF: Final = 1 << 10
OF: Final = 1 << 11
AC: Final = 1 << 18

STATUS: Final = CF | PF | AF | ZF | SF | OF
"""The six flags that arithmetic sets (SDM vol. 1, 3.4.3.1)."""

RESERVED_ONE: Final = 1 << 1
"""Bit 1 of EFLAGS, which always reads as one."""

BITS: Final = {"cf": CF, "pf": PF, "af": AF, "zf": ZF, "sf": SF, "tf": TF, "if": IF, "df": DF, "of": OF, "ac": AC}
"""Flag names as attributes of a `Cpu` have them."""

PARITY: Final = tuple(0 if value.bit_count() & 1 else PF for value in range(256))
"""PF for each low result byte: set when the number of ones is even."""

UNDEFINED: Final[dict[str, int]] = dict.fromkeys(("and", "or", "xor", "test"), AF)
"""Flags each mnemonic leaves undefined (SDM vol. 1, appendix A). Absent: every flag it writes is defined."""
