"""Record on this machine's CPU what the conformance kit ships: `python -m tests.record`.

A few cases of every form, spread over the modes. What came of a case is silicon's word alone, whether pagetrap agrees
or not; only of cases that fault, those on which no rule is settled (`tests.oracle.judge`) are left out.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGILL
from typing import Any

from iced_x86 import Code_

from decode import decode
from emulate.flags import undefined
from mmio.live.vendor import cpu_vendor
from tests.campaign.run import forms, host_cpu
from tests.campaign.trial import Unbuildable, make_case, modes_of
from tests.oracle.case import (
    DEFAULT_REGS,
    GENERAL,
    PAGE,
    PATTERN,
    SEGMENTS,
    CannotRun,
    Case,
    Outcome,
    Signal,
    VectorState,
    Window,
    compare,
)
from tests.oracle.hidden import needed
from tests.oracle.host import features
from tests.oracle.pagetrap import PagetrapEngine
from tests.oracle.silicon import SiliconEngine

PLACE = Path(__file__).parent.parent / "emulate" / "conformance" / "silicon.json.gz"
SEED = 11
TRIES = 6
LARGEST = 420  # bytes of a case in the file
_VECTORS = {(8, 1): 0, (7, 1): 17, (7, 128): 12, (11, 1): 14, (11, 128): 13}
"""Exception vectors, by signal number and code (arch/x86/kernel/traps.c)."""


def named(vectors: VectorState) -> dict[str, int]:
    """Vector state by the names the kit has."""
    registers = {f"zmm{i}": value for i, value in enumerate(vectors.vector)}
    registers |= {f"k{i}": value for i, value in enumerate(vectors.k)}
    registers |= {f"x87_{i}": value for i, value in enumerate(vectors.x87)}
    return registers | {name: getattr(vectors, name) for name in ("mxcsr", "fcw", "fsw", "ftw")}


def common() -> dict[str, dict[str, int]]:
    """The state most cases start from."""
    general = {**DEFAULT_REGS, "rip": Case(b"").ip, "rflags": Case(b"").rflags}
    return {"general": general | {f"{name}_base": 0 for name in SEGMENTS}, "vector": named(VectorState())}


def before(case: Case) -> dict[str, int]:
    """All registers a case starts with."""
    registers = dict(zip(GENERAL, case.registers(), strict=True)) | {"rip": case.ip, "rflags": case.rflags}
    registers |= {f"{name}_base": base for name, base in zip(SEGMENTS, case.segment_bases(), strict=True)}
    return registers | (named(case.vectors) if case.vectors else {})


def after(outcome: Outcome) -> dict[str, int]:
    """All registers a case ends with."""
    registers = dict(zip(GENERAL, outcome.regs, strict=True)) | {"rip": outcome.rip, "rflags": outcome.rflags}
    registers |= {f"{name}_base": base for name, base in zip(SEGMENTS, outcome.bases, strict=True)}
    return registers | (named(outcome.vectors) if outcome.vectors else {})


def changed(old: dict[str, int], new: dict[str, int]) -> dict[str, int]:
    """What is in `new` and not so in `old`."""
    return {name: value for name, value in new.items() if old.get(name) != value}


def patches(old: bytes, new: bytes) -> dict[str, str]:
    """The stretches of bytes that differ, by their offset, in hexadecimal."""
    found: dict[str, str] = {}
    start = None
    for place in range(len(old) + 1):
        differs = place < len(old) and old[place] != new[place]
        if differs and start is None:
            start = place
        elif not differs and start is not None:
            found[f"{start:x}"] = new[start:place].hex()
            start = None
    return found


def row(name: str, case: Case, truth: Outcome) -> list[Any]:
    """A case and its outcome as `emulate.conformance.case` reads them."""
    defaults = common()
    narrow = (1 << max(case.bits, 32)) - 1
    start = {name: value & narrow for name, value in defaults["general"].items()}
    start |= defaults["vector"] if case.vectors else {}
    ignored = undefined(decode(case.code, case.bits), case.registers()[1] & 0xFF)
    return [
        *(name, case.bits, case.code.hex(), int(case.vectors is not None), changed(start, before(case))),
        *(case.window.base, patches(PATTERN[: 3 * PAGE], case.window.contents), ignored),
        *(changed(before(case), after(truth)), patches(case.window.contents, truth.memory)),
        None if truth.fault is None else _VECTORS[truth.fault.number, truth.fault.code],
    ]


def _is_told(fault: Signal) -> bool:
    return (fault.number, fault.code) in _VECTORS


def cases_of(engine: SiliconEngine, name: str, code: Code_) -> Iterator[list[Any]]:
    """A case a mode that completes or faults without dispute, of vectors one in 64-bit code; none that is too large."""
    for index in range(len(modes_of(code))):
        for attempt in range(TRIES):
            try:
                case = make_case(SEED, code, name, attempt * len(modes_of(code)) + index)
                truth, ours = engine.run(case), PagetrapEngine().run(case)
            except (CannotRun, Unbuildable):
                continue
            if truth.fault is not None and (truth.fault.number == SIGILL or compare(case, truth, ours)):
                continue  # this CPU lacks it, or it is one of those
            if truth.fault is not None and (name.startswith("BOUND") or not _is_told(truth.fault)):
                continue  # Linux tells #BR as it tells #GP, and #XM as it tells #MF
            if case.vectors is not None and index:
                return
            line = row(name, case, truth)
            if len(json.dumps(line)) < LARGEST:
                yield line
                break


def packed(text: str) -> bytes:
    """Compress the file: the same text gives the same bytes, for neither a time nor a name is in them."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(text.encode())
    return buffer.getvalue()


def main() -> None:
    """Write the file. It holds what Intel's CPUs do, as an `Emulator` does by default."""
    if cpu_vendor() != "intel":
        sys.exit(f"expected an Intel CPU to record, got one of vendor {cpu_vendor()!r}: {host_cpu()}")
    assert Window().contents == PATTERN[: 3 * PAGE]
    codes = forms()
    with SiliconEngine() as engine:
        rows = [line for name, code in codes.items() for line in cases_of(engine, name, code)]
    told = {
        "cpu": host_cpu(),
        "features": sorted(features()),
        "common": common(),
        "memory": PATTERN[: 3 * PAGE].hex(),
        "needs": {name: " ".join(sorted(needed(code))) for name, code in codes.items() if name in {r[0] for r in rows}},
    }
    head = json.dumps(told, separators=(",", ":"))
    body = ",\n".join(json.dumps(line, separators=(",", ":")) for line in rows)
    PLACE.write_bytes(packed(f'{head[:-1]},"cases":[\n{body}\n]}}\n'))
    print(f"{len(rows)} cases, {PLACE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
