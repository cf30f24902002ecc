"""Accesses of attached programs whose tracer is killed in the middle of one."""

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.mmio.ptrace import kills
from tests.native import run_python

RUN = "import sys; from tests.mmio.ptrace.kills import main; main('chosen', *sys.argv[1:])"


@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(
        st.tuples(st.integers(0, len(kills.OPERATIONS) - 1), st.floats(0, 1, exclude_max=True)),
        min_size=8,
        max_size=8,
    )
)
def test_every_access_is_made_once_whenever_the_tracer_is_killed(cases: list[tuple[int, float]]) -> None:
    """Killed at any bytecode of an access, a tracer leaves the memory, registers and flags of a native execution."""
    done = run_python(RUN, *(f"{operation}:{moment}" for operation, moment in cases))
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
