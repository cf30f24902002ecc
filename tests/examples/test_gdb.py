"""The gdb commands of examples/gdb_watch, in a real gdb on a compiled program."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import attrs
import iced_x86
import pytest

from tests.mmio.ptrace.programs import program
from tests.needs import need

SCRIPT = Path(__file__).parents[2] / "examples" / "gdb_watch" / "mmio_watch.py"

PROGRAM = r"""
static volatile struct { int before, watched, after; } s __attribute__((aligned(4096)));
static char text[256] __attribute__((aligned(4096)));
static char other[256];
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;  /* the C library's, not inlined */
static void *work(void *unused) { for (int i = 0; i < 100; i++) s.before++; return 0; }
int main(int argc, char **argv) {
    pthread_t thread;
    for (int i = 0; i < 50; i++) { s.before = i; s.watched = i / 10; s.after += s.watched; }
    pthread_create(&thread, 0, work, 0);
    pthread_join(thread, 0);
    memset(text, 'a' + argc, sizeof text);
    copy(other, text, sizeof text);
    if (s.before != 149 || s.watched != 4 || s.after != 100 || other[255] != 'b') return 1;
    *(volatile int *)0x1234 = 1;
    return 0;
}
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return an environment in which gdb's Python finds what it needs, if it is such a gdb."""
    need(shutil.which("gdb"), "gdb (apt-get install gdb)")
    places = {str(Path(module.__file__ or "").parents[1]) for module in (attrs, iced_x86)}
    environment = os.environ | {"PAGETRAP_PATH": ":".join(sorted(places))}
    version = "python import sys; print(sys.version_info[:2])"
    output = subprocess.run(
        ["gdb", "-batch", "-nx", "-ex", version], capture_output=True, text=True, check=False
    ).stdout
    ours = sysconfig.get_python_version()
    need(output.strip() == f"({ours.replace('.', ', ')})", f"a gdb whose Python is {ours}")
    return environment


def debug(environment: dict[str, str], *commands: str) -> str:
    """Give gdb commands after the program has reached main; return what it said."""
    before = ["set confirm off", "set debuginfod enabled off", f"source {SCRIPT}", "break main", "run"]
    arguments = [word for command in (*before, *commands) for word in ("-ex", command)]
    done = subprocess.run(
        ["gdb", "-batch", "-nx", *arguments, program(PROGRAM, "-g")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


def seen(output: str) -> list[tuple[str, str]]:
    """Return the stops of watched ranges: direction and width, and values."""
    return re.findall(r"mmio-watch \d+: (\w+ \d+) bytes at \w+: (.*), by", output)


@pytest.mark.gdb_writes_vectors(True)
def test_a_condition_on_values(environment: dict[str, str]) -> None:
    """The program stops once, after the one store that makes the condition true, which has been made."""
    output = debug(
        environment,
        "mmio-watch &s.watched sizeof(s.watched) if $_direction[0] == 'w' && $_old == 2 && $_new == 3",
        "continue",
        "output s.before + 1000 * s.watched",
        "continue",
    )
    assert seen(output) == [("write 4", "0x2 -> 0x3")]
    assert "3030" in output
    assert "The fault is the program's own" in output


@pytest.mark.gdb_writes_vectors(True)
def test_any_size_and_number(environment: dict[str, str]) -> None:
    """A range of hundreds of bytes is watched as well as a single one, through vector instructions of the C library."""
    output = debug(
        environment,
        "mmio-watch text 256 if $_address <= (long)&text[200] && (long)&text[200] < $_address + $_width",
        *[f"mmio-watch &text[{at}] 1 if 0" for at in range(6)],
        "continue",
        "print text[200]",
        "continue",
        "continue",
    )
    stops = seen(output)
    assert [stop[0].split()[0] for stop in stops] == ["write", "read"]
    assert all(value.endswith("62" * 8) for _, value in stops)
    assert "98 'b'" in output


@pytest.mark.gdb_writes_vectors(True)
def test_what_is_refused(environment: dict[str, str]) -> None:
    """The stack, nothing, and no length are errors that say so; a range that is not watched cannot be removed."""
    output = debug(
        environment, "mmio-watch $rsp 8", "mmio-watch 0x10 4", "mmio-watch &s 0", "mmio-watch &s", "mmio-unwatch 7"
    )
    for said in ("on the stack", "nothing is mapped at 0x0", "at least one byte, got 0", "START LENGTH", "no watched"):
        assert said in output


@pytest.mark.gdb_writes_vectors(True)
def test_unwatched_is_as_before(environment: dict[str, str]) -> None:
    """Without a watched range the program runs to its own fault at full speed."""
    output = debug(environment, "mmio-watch &s 12", "mmio-unwatch", "continue")
    assert seen(output) == []
    assert "s.before" not in output
    assert "The fault is the program's own" in output


@pytest.mark.gdb_writes_vectors(False)
def test_a_gdb_that_cannot_call(environment: dict[str, str]) -> None:
    """It is refused before anything of the program is changed: the program runs to its own fault."""
    output = debug(environment, "mmio-watch &s 12", "mmio-watch $rsp 8", "continue")
    assert output.count("cannot write the vector registers of this CPU (Couldn't write extended state status") == 2
    assert "gdb 14 and later can" in output
    assert "received signal SIGSEGV" in output
    assert "The fault is the program's own" not in output
