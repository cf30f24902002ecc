"""Table of the instruction forms that are emulated, for `pagetrap coverage` and docs/coverage.md."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from emulate.coverage import Entry, Fate, coverage
from emulate.unsupported import DECISIONS, Status

Key: TypeAlias = Literal["feature", "mnemonic", "form"]

FATES: Final[dict[Fate, str]] = {
    "emulated": "done by the emulator",
    "native": "completed by the CPU itself on a live source; refused when there is only a library caller",
    "refused": "not done: it needs more than registers and memory",
    "unread": "not read by the decoder: an encoding of CPUs that are gone",
}
"""What can become of a form, in words."""


def table(by: Key, missing: bool) -> Iterator[str]:
    """Yield the lines of the table as text.

    Args:
        by: what a line stands for, besides the total; a line for a form names the function that does it, or the reason.
        missing: only what is not emulated, with the reasons.
    """
    entries = [entry for entry in coverage() if not missing or entry.decision is not None]
    if by == "form":
        for entry in sorted(entries, key=lambda entry: entry.form.name):
            why = entry.decision.reason if entry.decision else entry.recipe
            yield f"{entry.form.name:<40} {entry.fate:<10} {why}"
        return
    yield from _rows([("", *FATES, "reason" if missing else "")])
    rows = [("total", *_counts(entries), "")]
    rows += [(name, *_counts(group), _why(group) if missing else "") for name, group in _groups(entries, by)]
    yield from _rows(rows)


def page() -> str:
    """Return docs/coverage.md, without the end of the last line."""
    return "\n".join(_page(coverage()))


def _page(entries: tuple[Entry, ...]) -> Iterator[str]:
    yield "# What is emulated"
    yield ""
    yield "Made by `pagetrap coverage --markdown`; a test fails when it is out of date. It counts every instruction"
    yield "form (an opcode with its operand kinds) that can touch memory or a port: the emulator does it, or a decision"
    yield "says why not."
    yield ""
    yield "| | forms | |"
    yield "|---|---:|---|"
    counts = Counter(entry.fate for entry in entries)
    for fate, meaning in FATES.items():
        yield f"| {fate} | {counts[fate]} | {meaning} |"
    yield f"| total | {len(entries)} | |"
    yield from _decisions(entries, "native", "Completed by the CPU")
    yield from _decisions(entries, "refused", "System and special instructions")
    yield from _decisions(entries, "unread", "Not decoded")
    yield from ("", "## By CPUID feature", "")
    yield f"| feature | {' | '.join(FATES)} |"
    yield "|---|" + "---:|" * len(FATES)
    for name, group in _groups(entries, "feature"):
        yield f"| {name} | {' | '.join(_counts(group))} |"
    yield from ("", "## Emulated, by mnemonic", "")
    yield "| mnemonic | forms | where, in `emulate/families/` |"
    yield "|---|---:|---|"
    for name, group in _groups([entry for entry in entries if entry.recipe], "mnemonic"):
        places = ", ".join(dict.fromkeys(f"`{entry.recipe}`" for entry in group))
        yield f"| {name} | {len(group)} | {places} |"


def _decisions(entries: tuple[Entry, ...], status: Status, heading: str) -> Iterator[str]:
    """Yield the decisions of one kind, each with the mnemonics it is about."""
    yield from ("", f"## {heading}", "")
    yield "| | forms | mnemonics |"
    yield "|---|---:|---|"
    for decision in DECISIONS:
        if decision.status == status:
            covered = [entry for entry in entries if entry.decision is decision]
            mnemonics = " ".join(dict.fromkeys(entry.form.mnemonic for entry in covered))
            yield f"| {decision.reason} | {len(covered)} | {mnemonics} |"


def _groups(entries: Iterable[Entry], by: Key) -> list[tuple[str, list[Entry]]]:
    """Return the entries in groups, ordered by name."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.feature if by == "feature" else entry.form.mnemonic, []).append(entry)
    return sorted(groups.items())


def _counts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return how many entries meet each fate; nothing for none."""
    counts = Counter(entry.fate for entry in entries)
    return tuple(str(counts[fate] or "") for fate in FATES)


def _why(entries: Iterable[Entry]) -> str:
    return "; ".join(dict.fromkeys(entry.decision.reason for entry in entries if entry.decision))


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for name, *numbers, rest in rows:
        yield (f"{name:<24}" + "".join(f"{number:>10}" for number in numbers) + f"  {rest}").rstrip()
