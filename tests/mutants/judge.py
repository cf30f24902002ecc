"""Who notices a fault: a law on generated cases, or a test of mmio."""

import re
import signal
import subprocess

from tests.mutants.copy import faulty_copy, python
from tests.mutants.mutant import MmioMutant, Mutant

TIMEOUT = 1800  # seconds, of all laws on all operations
TEST_TIMEOUT = 60  # of one test: a fault may well be one that never ends
END_TIMEOUT = 600  # beyond that of each test: the end of a test may never end, either

_BELOW = "tests/mmio/"
_FAILED = re.compile(r"^(?:FAILED|ERROR) tests/mmio/(\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)
_TESTS_FAILED = 1  # pytest's exit codes
_ALL_PASSED = 0


def run(mutant: Mutant | MmioMutant) -> str:
    """Return the law or the test that noticed a mutant, "" when none did.

    Raises:
        RuntimeError: the process that is to be faulty could not even begin, or there is no such test.
    """
    return _by_laws(mutant) if isinstance(mutant, Mutant) else _by_tests(mutant)


def _by_laws(mutant: Mutant) -> str:
    with faulty_copy(mutant) as top:
        command, environment = python(top, "-m", "tests.mutants.laws", mutant.law, mutant.operations)
        done = subprocess.run(
            command, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: {done.stderr}")
    return done.stdout.strip()


def _by_tests(mutant: MmioMutant) -> str:
    """Run its tests; those that never end have noticed as well as those that fail."""
    options = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", f"--timeout={TEST_TIMEOUT}")
    tests = [f"{_BELOW}{test}" for test in mutant.tests.split()]
    with faulty_copy(mutant) as top:
        command, environment = python(top, "-m", "pytest", *options, *tests)
        limit = END_TIMEOUT + TEST_TIMEOUT * len(tests)
        try:
            done = subprocess.run(
                command, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            return f"tests that took over {limit} s"
    if done.returncode == _ALL_PASSED:
        return ""
    if done.returncode < 0:  # a test has ended them all
        return tests[0].removeprefix(_BELOW) if len(tests) == 1 else signal.Signals(-done.returncode).name
    failed = _FAILED.search(done.stdout)
    if done.returncode != _TESTS_FAILED:
        raise RuntimeError(f"{mutant.name}: pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return failed[1] if failed is not None else f"a test that took over {TEST_TIMEOUT} s"
