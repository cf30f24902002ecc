"""What a campaign has found so far, in plain numbers and strings: its memory while it runs, and `verification.json`.

A form is counted in each mode by itself, because a CPU may have it in one and lack it in another.
"""

from __future__ import annotations

import collections
import json
import os
from pathlib import Path
from typing import Any

import attrs

from tests.campaign.trial import MODES, Verdict

_SILENT = ("illegal", "equal #UD", "not run", "refused")  # verdicts that do not show that the CPU has the form


@attrs.define
class Mismatch:
    """One kind of mismatch of a form: how often, and the simplest case seen."""

    count: int
    case: str
    bits: int
    text: str
    lines: list[str]

    def merge(self, other: Mismatch) -> None:
        """Add another's count, and take its case when that is simpler."""
        self.count += other.count
        if len(other.case) < len(self.case):
            self.case, self.bits, self.text, self.lines = other.case, other.bits, other.text, other.lines


@attrs.define
class Tally:
    """What happened to the cases of one form.

    Attributes:
        done: cases made, numbered from 0.
        kinds: by mode, how often each kind of verdict came.
        reasons: why cases were not run or refused, and how often.
        mismatches: by kind.
    """

    done: int = 0
    kinds: dict[int, collections.Counter[str]] = attrs.Factory(
        lambda: {bits: collections.Counter[str]() for bits in MODES}
    )
    reasons: collections.Counter[str] = attrs.Factory(collections.Counter)
    mismatches: dict[str, Mismatch] = attrs.Factory(dict)

    def count(self, bits: int, verdict: Verdict) -> None:
        """Count one verdict that is no mismatch, or the count of one that is."""
        self.kinds[bits][verdict.kind] += 1
        if verdict.kind in ("not run", "refused"):
            self.reasons[verdict.detail[0]] += 1

    def add(self, kind: str, mismatch: Mismatch) -> None:
        """Take note of mismatches of one kind."""
        if kind in self.mismatches:
            self.mismatches[kind].merge(mismatch)
        else:
            self.mismatches[kind] = mismatch

    def merge(self, other: Tally) -> None:
        """Add what a later stretch of cases showed."""
        self.done = other.done
        for bits in MODES:
            self.kinds[bits] += other.kinds[bits]
        self.reasons += other.reasons
        for kind, mismatch in other.mismatches.items():
            self.add(kind, mismatch)

    def has(self, bits: int) -> bool:
        """Whether the CPU turned out to have the form in a mode: something else than #UD came of it."""
        return any(
            n for kind, n in self.kinds[bits].items() if kind not in ("illegal", "equal #UD", "not run", "refused")
        )

    def verified(self, bits: int) -> int:
        """How many cases were compared in a mode, on a CPU that has the form."""
        kinds = self.kinds[bits]
        return kinds.total() - kinds["not run"] - kinds["refused"] if self.has(bits) else 0

    @property
    def verified_in_all(self) -> int:
        """How many cases were compared in all modes."""
        return sum(map(self.verified, MODES))

    @property
    def differing(self) -> int:
        """Mismatches; an instruction that is legal for some operands and not for others, in the subject, is one too."""
        partly = sum(self.kinds[bits]["illegal"] for bits in MODES if self.has(bits))
        return sum(mismatch.count for mismatch in self.mismatches.values()) + partly

    def why_not(self) -> str:
        """Why not one case was compared."""
        if self.reasons:
            return max(self.reasons, key=lambda reason: self.reasons[reason])
        if any(self.kinds[bits]["illegal"] or self.kinds[bits]["equal #UD"] for bits in MODES):
            return "this CPU does not have it"
        return "no case could be made"

    def as_json(self) -> dict[str, Any]:
        """This tally as JSON has it."""
        return {
            "done": self.done,
            "kinds": {str(bits): dict(kinds) for bits, kinds in self.kinds.items() if kinds},
            "reasons": dict(self.reasons),
            "mismatches": {kind: attrs.asdict(mismatch) for kind, mismatch in self.mismatches.items()},
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Tally:
        """A tally as it was written."""
        tally = cls(data["done"], reasons=collections.Counter(data["reasons"]))
        for bits, kinds in data["kinds"].items():
            tally.kinds[int(bits)].update(kinds)
        tally.mismatches = {kind: Mismatch(**mismatch) for kind, mismatch in data["mismatches"].items()}
        return tally


@attrs.define
class State:
    """A campaign: what it is, and its tallies by form. `identity` is what must be the same for it to continue."""

    identity: dict[str, Any]
    tallies: dict[str, Tally]

    @classmethod
    def load(cls, path: Path, identity: dict[str, Any]) -> State:
        """Continue with the campaign in a file, or begin one: where there is none, or another."""
        if path.exists():
            known = cls.read(path)
            if known.identity == identity:
                return known
        return cls(identity, {})

    @classmethod
    def read(cls, path: Path) -> State:
        """Return the campaign in a file, of whatever CPU."""
        data = json.loads(path.read_text())
        return cls(data["identity"], {name: Tally.of_json(tally) for name, tally in data["forms"].items()})

    def save(self, path: Path) -> None:
        """Write everything down, at once or not at all."""
        forms = {name: self.tallies[name].as_json() for name in sorted(self.tallies)}
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(tally)}" for name, tally in forms.items())
        new = path.with_suffix(".new")
        new.write_text(f'{{"identity": {json.dumps(self.identity)}, "forms": {{\n{lines}\n}}}}\n')
        os.replace(new, path)

    @property
    def cases(self) -> int:
        """How many cases have been made."""
        return sum(tally.done for tally in self.tallies.values())
