"""Cases that were executed on a real CPU, with their outcomes.

`silicon.json.gz` holds them, one a line, each as what differs from a common state; here they are made whole. A case is
one instruction, all registers and one window of memory; everything around the window is absent. User programs' rules
hold: privilege level 3, EFLAGS.AC checks alignment, 16-bit code is protected mode with segments up to 0xffff.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from attrs import frozen

SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs")


@frozen(slots=True)
class Machine:
    """The machine that the cases ran on.

    Attributes:
        cpu: its model name, family, model and stepping.
        features: the CPUID features it has, by their names in iced-x86: "AVX512F".
    """

    cpu: str
    features: frozenset[str]


@frozen(slots=True)
class Case:
    """One instruction and everything it starts from.

    Attributes:
        form: its iced-x86 name: "ADD_RM32_R32".
        features: the CPUID features it needs.
        bits: the mode: 64, 32 or 16.
        code: the instruction.
        registers: all of them: rax … r15, rip, rflags; es_base … gs_base; and, in cases that have to do with them, zmm0
            … zmm31, k0 … k7, x87_0 … x87_7 (80 bits each, in physical order), mxcsr, fcw, fsw, ftw (bit i: physical
            register i is valid).
        start: the linear address of the memory window.
        memory: its bytes.
        undefined: the flags the instruction leaves undefined.
    """

    form: str
    features: frozenset[str]
    bits: int
    code: bytes
    registers: Mapping[str, int]
    start: int
    memory: bytes
    undefined: int = 0

    def __str__(self) -> str:
        return f"{self.form} {self.code.hex(' ')} ({self.bits}-bit)"


@frozen(slots=True)
class Outcome:
    """The state after a case.

    Attributes:
        registers: by the names that `Case.registers` has. The general registers, rip and rflags are required; of the
            others those that are there are compared.
        memory: the window's bytes.
        fault: the vector of the exception (0 #DE, 6 #UD, 12 #SS, 13 #GP, 14 #PF, 17 #AC), None when there was none.
    """

    registers: Mapping[str, int]
    memory: bytes
    fault: int | None = None


@cache
def machine() -> Machine:
    """Return the machine that the cases ran on."""
    return Machine(_data()["cpu"], frozenset(_data()["features"]))


@cache
def recorded() -> tuple[tuple[Case, Outcome], ...]:
    """Return every case with its outcome on silicon."""
    return tuple(_cases(**_data()))


@cache
def _data() -> dict[str, Any]:
    packed = files("emulate.conformance").joinpath("silicon.json.gz").read_bytes()
    data: dict[str, Any] = json.loads(gzip.decompress(packed))
    return data


def _cases(
    common: dict[str, dict[str, int]], memory: str, needs: dict[str, str], cases: list[list[Any]], **_: Any
) -> Iterator[tuple[Case, Outcome]]:
    ordinary = bytes.fromhex(memory)
    features = {form: frozenset(names.split()) for form, names in needs.items()}
    for form, bits, code, vectors, registers, start, patches, undefined, after, stores, fault in cases:
        mask = (1 << max(bits, 32)) - 1
        general = {name: value & mask for name, value in common["general"].items()}
        before = general | (common["vector"] if vectors else {}) | registers
        contents = _patched(ordinary, patches)
        case = Case(form, features[form], bits, bytes.fromhex(code), before, start, contents, undefined)
        yield case, Outcome(before | after, _patched(contents, stores), fault)


def _patched(memory: bytes, patches: dict[str, str]) -> bytes:
    """Return memory with bytes (in hexadecimal) put in at offsets (likewise)."""
    changed = bytearray(memory)
    for offset, data in patches.items():
        place = int(offset, 16)
        changed[place : place + len(data) // 2] = bytes.fromhex(data)
    return bytes(changed)
