"""Make pages absent to find the order of memory accesses: the fault the CPU reports is its first access.

For each form, cases of all kinds are made, and each is run with every choice of the pages it touches absent: all, the
first only, the second only. `python -m tests.emulate.order 20` prints how many forms and cases agree.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import combinations, islice
from typing import Final

import attrs
from iced_x86 import Code_

from decode import WRITE, Instruction, MemoryTouch, Vendor, decode, iter_accesses
from decode.instruction import MemoryAccess
from emulate import is_supported
from emulate.recipes import RECIPES
from mmio.live.vendor import cpu_vendor
from tests.cases.build import random_case
from tests.cases.forms import CODE_NAMES, buildable, operation
from tests.oracle.amd import compares_bytes
from tests.oracle.case import PAGE, CannotRun, Case, Outcome
from tests.oracle.host import PRIVILEGED, host_has, silicon
from tests.oracle.judge import differences
from tests.oracle.pagetrap import PagetrapEngine, cpu_of

MODES: Final = (64, 32, 16)
SEVERAL: Final = 4  # times as many cases of a form with several accesses
_MOST: Final = 256  # accesses looked at
_PAGE_FAULT: Final = (11, 1)  # SIGSEGV, SEGV_MAPERR
_ENGINES: Final = PagetrapEngine(), PagetrapEngine(bulk=True)

UNTOLD: Final[dict[Vendor, tuple[str, ...]]] = {
    # These report the operand's first byte, masked off or not, where pagetrap touches the chosen ones only.
    "amd": ("maskmovq", "maskmovdqu", "vmaskmovdqu", "vextract"),
    "intel": ("maskmovq", "maskmovdqu", "vmaskmovdqu", "vextract"),
}
"""Beginnings of the mnemonics whose first fault is not the first access, or not known to be."""


def forms(bits: int, operations: Collection[str] = RECIPES) -> list[Code_]:
    """Return the emulated forms of a mode that this CPU has, those that load segment registers among them."""
    vendor, wanted = cpu_vendor(), set(operations) - PRIVILEGED
    codes = (code for code in CODE_NAMES if buildable(code, bits, vendor, loads_segments=True))
    return [code for code in codes if operation(code) in wanted and host_has(code, bits)]


def touched(case: Case) -> list[MemoryTouch]:
    """Return the accesses to memory that a case makes, in order, as `decode.accesses` has them."""
    touches = iter_accesses(decode(case.code, case.bits, cpu_vendor()), cpu_of(case))
    return [touch for touch in islice(touches, _MOST) if isinstance(touch, MemoryTouch)]


def without_pages(case: Case, touches: list[MemoryTouch]) -> Iterator[Case]:
    """Yield the case with each choice of the pages it touches absent, all of them first."""
    window = case.window
    ends = {address - window.base for touch in touches for address in (touch.address, touch.address + touch.width - 1)}
    pages = sorted({end // PAGE for end in ends} & set(range(window.pages)))
    for count in range(len(pages), 0, -1):
        for absent in combinations(pages, count):
            yield attrs.evolve(case, window=attrs.evolve(window, absent=absent))


def wrong_order(case: Case, touches: list[MemoryTouch], truth: Outcome) -> list[str]:
    """Say where the CPU faulted first and where it should have; nothing when that is the same place."""
    instruction = decode(case.code, case.bits, cpu_vendor())
    fault, mnemonic = truth.fault, instruction.mnemonic
    if fault is None or (fault.number, fault.code) != _PAGE_FAULT or mnemonic.startswith(UNTOLD[cpu_vendor()]):
        return []
    missing = [case.window.first_absent(touch.address, touch.width) for touch in touches]
    first = next((index for index, address in enumerate(missing) if address is not None), None)
    expected = None if first is None else missing[first]
    if first is not None and compares_bytes(instruction) and fault.address in missing[first // 2 * 2 :][:2]:
        return []
    if expected is None and mnemonic == "enter":
        return []  # the page of the new top of the stack, which it asks for at the end
    if expected == fault.address:
        return []
    if cpu_vendor() == "intel" and _stores_chosen_elements(instruction):
        *_, last = touches  # of whose bytes these CPUs report the last, when it is in the operand's second page
        if fault.address == last.address + last.width - 1:
            return []
    return [f"first fault: silicon {fault.address:#x}, accesses {'none' if expected is None else hex(expected)}"]


def _stores_chosen_elements(instruction: Instruction) -> bool:
    """Whether it is a masked store, or one of packed elements."""
    memory = [access for access in instruction.accesses if isinstance(access, MemoryAccess)]
    return any(access.selection != "whole" and access.direction == WRITE for access in memory)


def disagreements(case: Case, touches: list[MemoryTouch]) -> list[str]:
    """Run one case; list what is otherwise than on the CPU, in order or outcome.

    Raises:
        CannotRun: it cannot be run.
    """
    truth = silicon().run(case)
    lines = wrong_order(case, touches, truth)
    for engine in _ENGINES[: 2 if decode(case.code, case.bits, cpu_vendor()).rep else 1]:
        lines += differences(case, truth, engine.run(case))
    return lines


def cases(code: Code_, bits: int, count: int) -> Iterator[tuple[Case, list[MemoryTouch]]]:
    """Yield cases of a form with pages absent, and what each touches."""
    source = random.Random(f"{CODE_NAMES[code]} {bits}")
    wanted = made = 0
    while made < max(wanted, 1):
        made += 1
        case = random_case(source, code, bits)
        if not is_supported(decode(case.code, bits, cpu_vendor())):
            continue
        touches = touched(case)
        wanted = max(wanted, count * SEVERAL if len(touches) > 1 else count)
        for without in without_pages(case, touches):
            yield without, touches


def judge(bits: int, count: int, operations: Collection[str] = RECIPES) -> tuple[Counter[str], list[str]]:
    """Judge every form of some operations in a mode; return the figures, and a text for each case that disagrees."""
    figures: Counter[str] = Counter()
    texts: list[str] = []
    for code in forms(bits, operations):
        most = 0
        for case, touches in cases(code, bits, count):
            try:
                lines = disagreements(case, touches)
            except CannotRun:
                continue
            most = max(most, len(touches))
            figures["cases"] += 1
            if lines:
                shown = decode(case.code, bits, cpu_vendor()).format(case.ip)
                texts.append("\n    ".join([f"{shown}\n    {case!r}", *lines]))
        figures["forms"] += most > 0
        figures["with several accesses"] += most > 1
    figures["differences"] = len(texts)
    return figures, texts


if __name__ == "__main__":
    for mode in MODES:
        found, differing = judge(mode, int(sys.argv[1]) if len(sys.argv) > 1 else 4)
        print(f"{mode}-bit code:", ", ".join(f"{number:,} {what}" for what, number in found.items()))
        print("\n".join(differing[:20]))
