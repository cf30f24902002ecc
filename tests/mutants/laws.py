"""The laws of the suite, on a few operations: fast enough to run against every mutant.

`python -m tests.mutants.laws LAW OPERATIONS`, in a copy of the project that has a fault, tries that law first and then
the others; it prints the first one that does not hold, nothing when all do.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence

from decode import decode
from emulate import is_supported
from tests.campaign.trial import MODES, Trial, Unbuildable, make_case, modes_of
from tests.cases.forms import CODE_NAMES, codes_by_operation
from tests.emulate import order, test_laws
from tests.mutants.mutant import Law
from tests.oracle.case import Case
from tests.oracle.silicon import SiliconEngine

ON_SILICON, ON_A_BUS = 40, 12  # cases of a form and mode
SEED = 7


def made(operations: Sequence[str], bits: int, count: int) -> Iterator[Case]:
    """So many cases of every form of some operations in a mode, the forms taking turns."""
    for number in range(count):
        for operation in operations:
            for code in codes_by_operation(bits).get(operation, []):
                modes = modes_of(code)
                try:
                    yield make_case(SEED, code, CODE_NAMES[code], number * len(modes) + modes.index(bits))
                except Unbuildable:
                    continue


def laws(operations: Sequence[str]) -> dict[Law, Callable[[], None]]:
    """Every law as a function that raises when the law does not hold for these operations."""

    @functools.cache
    def cases(bits: int) -> tuple[Case, ...]:
        return tuple(case for case in made(operations, bits, ON_A_BUS) if is_supported(decode(case.code, bits)))

    test_laws.cases = cases
    in_modes: dict[Law, Callable[[int], None]] = {
        "log equals decode.accesses": test_laws.test_the_bus_log_equals_decode_accesses,
        "nothing changes when an access raises": test_laws.test_nothing_changes_when_an_access_raises,
        "nothing changes at a fault": test_laws.test_nothing_changes_when_an_instruction_faults,
        "finished elements stay": test_laws.test_elements_finished_before_an_interruption_stay_finished,
        "rep in steps": functools.partial(test_laws.test_rep_in_steps_ends_as_in_one, most=2),
        "any order of registers": test_laws.test_registers_may_stand_in_any_order,
        "indivisible updates": test_laws.test_an_indivisible_update_is_the_same_read_and_write,
    }

    def in_all_modes(law: Callable[[int], None]) -> None:
        for bits in MODES:
            law(bits)

    silicon: dict[Law, Callable[[], None]] = {
        "silicon": functools.partial(_on_silicon, operations),
        "order of accesses": functools.partial(_in_order, operations),
    }
    return silicon | {name: functools.partial(in_all_modes, law) for name, law in in_modes.items()}


def _on_silicon(operations: Sequence[str]) -> None:
    with SiliconEngine() as engine:
        trial = Trial(engine, "pagetrap")
        for bits in MODES:
            for case in made(operations, bits, ON_SILICON):
                verdict = trial.run(case)
                assert not verdict.mismatch, verdict


def _in_order(operations: Sequence[str]) -> None:
    for bits in MODES:
        _, differing = order.judge(bits, ON_A_BUS, operations)
        assert not differing, differing[0]


def noticed(expected: Law, operations: Sequence[str]) -> str:
    """Return the first law that does not hold, beginning with the expected one; "" when all do."""
    checks = laws(operations)
    for law in sorted(checks, key=lambda law: law != expected):
        try:
            checks[law]()
        except BaseException as error:  # pytest's failures are no Exceptions
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return law
    return ""


if __name__ == "__main__":
    print(noticed(sys.argv[1], sys.argv[2].split()))  # type: ignore[arg-type]  # which law it is says the table
