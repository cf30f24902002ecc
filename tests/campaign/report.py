"""docs/verification.md: what has been compared with silicon, form by form, and what has not and why."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from textwrap import wrap

from iced_x86 import Code, OpCodeInfo

from emulate.coverage import coverage
from tests.campaign import cpus
from tests.campaign.run import forms
from tests.campaign.tally import State
from tests.campaign.trial import MODES
from tests.cases.forms import Unbuildable, slots
from tests.soak import figures


def verification(state: State) -> str:
    """Return the page."""
    return "\n".join(_lines(state)) + "\n"


def _lines(state: State) -> Iterator[str]:
    tallies = state.tallies
    verified = [name for name, tally in tallies.items() if tally.verified_in_all]
    cases = sum(tally.verified_in_all for tally in tallies.values())
    wrong = [name for name in sorted(tallies) if tallies[name].differing]
    yield "# Verification"
    yield ""
    yield from wrap(
        "Every form the emulator does, compared with a real CPU: registers, defined flags, memory, faults. A "
        "form is one opcode with its operand kinds, by its iced-x86 name; operands, prefixes, registers and "
        f"memory of each case are random. Made by `make campaign SEED={state.identity['seed']}`, with "
        f"{cases_a_form(state)} cases a form; the same seed makes the same cases. What counts as equal is told "
        "in `tests/oracle/judge.py`.",
        120,
    )
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| CPU | {state.identity['cpu']} |"
    yield f"| cases compared | {cases:,} |"
    yield f"| of which faulted, alike | {_total(state, 'equal fault') + _total(state, 'equal #UD'):,} |"
    yield f"| forms compared | {len(verified):,} |"
    yield f"| forms that differ | {len(wrong):,} |"
    yield f"| sources | {state.identity['sources']} |"
    yield ""
    yield from cpus.table(cpus.load())
    yield from figures.section(figures.Report.load())
    yield "## Mismatches"
    yield ""
    if not wrong:
        yield "None."
    for name in wrong:
        for kind, mismatch in tallies[name].mismatches.items():
            yield f"- `{name}`, {mismatch.count} times {kind}: `{mismatch.text}`, `{mismatch.case}`"
            yield from (f"    - {line}" for line in mismatch.lines)
        if not tallies[name].mismatches:
            yield f"- `{name}`: {tallies[name].differing} times #UD on the CPU only"
    yield ""
    yield "## Not verified"
    yield ""
    yield "Emulated, but not one case could be compared:"
    yield ""
    yield from _not_verified(state)
    yield ""
    yield "## Cases"
    yield ""
    yield "Compared cases in 64-, 32- and 16-bit code; - where the form does not exist or is not this CPU's."
    yield ""
    yield "| form | 64 | 32 | 16 | differ |"
    yield "|---|--:|--:|--:|--:|"
    for name in sorted(verified):
        counts = " | ".join(str(tallies[name].verified(bits) or "-") for bits in MODES)
        yield f"| {name} | {counts} | {tallies[name].differing or ''} |"


def cases_a_form(state: State) -> str:
    """How many cases were made of each form: fewer of some when a campaign was stopped."""
    done = {tally.done for tally in state.tallies.values()}
    return f"{max(done)}" if len(done) == 1 else f"{min(done)} to {max(done)}"


def _total(state: State, kind: str) -> int:
    return sum(tally.kinds[bits][kind] for tally in state.tallies.values() for bits in MODES if tally.has(bits))


def _not_verified(state: State) -> Iterator[str]:
    by_reason: dict[str, list[str]] = collections.defaultdict(list)
    for name, tally in state.tallies.items():
        if not tally.verified_in_all:
            by_reason[tally.why_not()].append(name)
    if unmade := sorted(forms().keys() - state.tallies.keys()):
        by_reason["added since this campaign"] = unmade
    for name in untestable(forms()):
        by_reason[_why_untestable(name)].append(name)
    for reason, names in sorted(by_reason.items()):
        yield f"- {reason} ({len(names)}): {' '.join(f'`{name}`' for name in sorted(names))}"
    if not by_reason:
        yield "nothing."


def untestable(made: Iterable[str]) -> list[str]:
    """Forms that are emulated, by name, but for which no cases are made."""
    return sorted({entry.form.name for entry in coverage() if entry.fate == "emulated"} - set(made))


def _why_untestable(name: str) -> str:
    code = getattr(Code, name)
    info = OpCodeInfo(code)
    try:
        slots(code)
    except Unbuildable as error:
        return str(error).partition(": ")[2]
    if info.must_be_cpl0 or not info.cpl3:
        return "privileged: not for user programs"
    if info.decoder_option or not (info.intel_decoder64 or info.intel_decoder32):
        return "another maker's CPUs only"
    if name.startswith(("JMP_", "CALL_", "RETF", "IRET", "LDS", "LES", "LSS", "LFS", "LGS")):
        return "loads a segment register, and descriptors are not part of a case"
    return "shares its bytes with another instruction"
