"""Rule for an emulator: every case ends as it did on silicon."""

from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeAlias

from attrs import evolve

from emulate.conformance.case import Case, Outcome, recorded
from emulate.conformance.features import features_without, visible
from emulate.conformance.report import Report
from emulate.flags import AC, DF, NT, STATUS

Run: TypeAlias = Callable[[Case], Outcome]
"""Executes a case. Raises `NotImplementedError` for an instruction it does not do."""

LAW: Final = "an instruction ends in the state that the CPU ends in"
_FLAGS: Final = STATUS | DF | NT | AC
_GENERAL: Final = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"),
)


def check_emulator(run: Run, without: Collection[str] = ()) -> Report:
    """Run every recorded case and compare registers, defined flags, memory and fault with silicon's.

    Args:
        run: the emulator. What it raises besides `NotImplementedError` is a failure.
        without: CPUID features that it does not have, by the beginning of their names in iced-x86: "AVX512", "MOVBE".
            Cases that need one are not judged, and cases are without the registers that come with it.

    Raises:
        ValueError: no case needs one of these features.
    """
    report = Report()
    features = features_without(without)
    for whole, outcome in recorded():
        if not whole.features <= features:
            report.unjudged += 1
            continue
        case = evolve(whole, registers=visible(whole.registers, features))
        truth = evolve(outcome, registers=visible(outcome.registers, features))
        try:
            came = run(case)
        except NotImplementedError:
            report.skipped += 1
            continue
        except Exception as error:
            report.expect(LAW, False, f"{case}\nraised {error!r}")
            continue
        lines = list(_differences(case, truth, came))
        report.expect(LAW, not lines, "\n".join([str(case), *lines]))
    return report


def _differences(case: Case, truth: Outcome, came: Outcome) -> Iterator[str]:
    if truth.fault != came.fault:
        yield f"fault: expected {_shown(truth.fault)}, got {_shown(came.fault)}"
    missing = [name for name in (*_GENERAL, "rflags") if name not in came.registers]
    if missing:
        yield f"registers: expected all of them, got none called {' '.join(missing)}"
    for name, value in came.registers.items():
        expected = truth.registers.get(name)
        if name != "rflags" and expected is not None and value != expected:
            yield f"{name}: expected {expected:#x}, got {value:#x}"
    mask = _FLAGS if truth.fault is not None else _FLAGS & ~case.undefined
    expected, flags = truth.registers["rflags"] & mask, came.registers.get("rflags", 0) & mask
    if expected != flags:
        yield f"rflags: expected {expected:#x}, got {flags:#x} (of the bits {mask:#x})"
    if len(came.memory) != len(truth.memory):
        yield f"memory: expected {len(truth.memory):#x} bytes, got {len(came.memory):#x}"
    elif came.memory != truth.memory:
        place = next(i for i, pair in enumerate(zip(truth.memory, came.memory, strict=True)) if pair[0] != pair[1])
        piece = slice(place, place + 16)
        expected_bytes, got = truth.memory[piece].hex(" "), came.memory[piece].hex(" ")
        yield f"memory at {case.start + place:#x}: expected {expected_bytes}, got {got}"


def _shown(fault: int | None) -> str:
    return "none" if fault is None else f"vector {fault}"
