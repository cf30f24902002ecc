"""docs/unicorn.md: differences between Unicorn and silicon, by mnemonic, with the simplest case seen of each."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from textwrap import wrap

from iced_x86 import Code_, CpuidFeature, Instruction

from tests.campaign.report import cases_a_form
from tests.campaign.run import forms
from tests.campaign.tally import Mismatch, State
from tests.campaign.trial import MODES
from tests.cases.forms import operation, slots

_KINDS = ("wrong result", "wrong state after a fault", "fault missed", "fault invented", "undocumented error")
_LINES = 3


def is_comparable(code: Code_) -> bool:
    """Whether Unicorn's engine has the state a form works on: it sets no x87 and MMX registers."""
    instruction = Instruction()
    instruction.code = code
    return CpuidFeature.FPU not in instruction.cpuid_features() and all(slot.file != "MM" for slot in slots(code))


def departures(state: State) -> str:
    """Return the page."""
    codes = forms()
    comparable = {name: tally for name, tally in state.tallies.items() if is_comparable(codes[name])}
    return "\n".join(_lines(State(state.identity, comparable))) + "\n"


def grouped(state: State) -> dict[str, dict[str, tuple[int, int, Mismatch]]]:
    """Departures by kind and mnemonic: how many cases, of how many, and the simplest."""
    codes = forms()
    compared: dict[str, int] = {}
    found: dict[str, dict[str, tuple[int, int, Mismatch]]] = {kind: {} for kind in _KINDS}
    for name, tally in state.tallies.items():
        mnemonic = operation(codes[name])
        compared[mnemonic] = compared.get(mnemonic, 0) + tally.verified_in_all
    for name, tally in state.tallies.items():
        mnemonic = operation(codes[name])
        for kind, mismatch in tally.mismatches.items():
            count, _, simplest = found[kind].get(mnemonic, (0, 0, mismatch))
            simplest = min(simplest, mismatch, key=lambda m: len(m.case))
            found[kind][mnemonic] = count + mismatch.count, compared[mnemonic], simplest
    return found


def _lines(state: State) -> Iterator[str]:
    tallies = state.tallies.values()
    total = {
        kind: sum(tally.kinds[bits][kind] for tally in tallies for bits in MODES) for kind in ("not run", "refused")
    }
    compared = sum(tally.verified_in_all for tally in tallies)
    yield "# Differences between Unicorn and silicon"
    yield ""
    yield from wrap(
        f"Unicorn {version('unicorn')} compared with a real CPU by `make campaign ENGINE=unicorn "
        f"SEED={state.identity['seed']}` with {cases_a_form(state)} cases a form: registers, defined flags and "
        "memory after one instruction, with random operands, prefixes and state. Only forms that pagetrap "
        "emulates were run, except those of x87 and MMX. Of the vector state, XMM0 to XMM15 and MXCSR were "
        "compared; wider registers and masks were not. Of a fault, only its presence was compared. Every "
        "difference was reproduced on a fresh Unicorn machine. EFLAGS.AC was clear, because Unicorn does not "
        "check alignment. Unicorn runs with all privileges; its 16-bit code is real mode, not protected mode "
        "with the same bases; 32-bit code with segment bases was not run. Some of the differences follow from "
        "this and are not errors.",
        120,
    )
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| CPU | {state.identity['cpu']} |"
    yield f"| cases compared | {compared:,} |"
    yield f"| not run, because silicon cannot | {total['not run']:,} |"
    yield f"| not run, because Unicorn cannot | {total['refused']:,} |"
    for kind, by_mnemonic in grouped(state).items():
        if not by_mnemonic:
            continue
        yield ""
        yield f"## {kind.capitalize()}"
        yield ""
        yield "| mnemonic | cases | for example | what differs | case |"
        yield "|---|--:|---|---|---|"
        for mnemonic, (count, of, example) in sorted(by_mnemonic.items()):
            shown = "; ".join(example.lines[:_LINES]) + ("; …" if len(example.lines) > _LINES else "")
            text = f"`{example.text}` ({example.bits}-bit)"
            yield f"| {mnemonic} | {count} of {of} | {text} | {shown} | `{example.case}` |"
    yield ""
    yield "## Not known to Unicorn"
    yield ""
    unknown = sorted({operation(forms()[name]) for name, tally in state.tallies.items() if not tally.verified_in_all})
    yield "Mnemonics with forms of which no case could be compared: " + " ".join(unknown) + "."
