"""Looking at a trace while it is read: memory does not grow with it, and the first line does not wait for its end."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from threading import Event, Thread, Timer

import pytest

from benchmarks.growth import looked
from decode import READ, WRITE
from mmio import Access, writer
from mmio.commands.main import main
from tests.mmio.commands.process import COMMAND, ENVIRONMENT
from tests.mmio.sample_traces import START, access

SHORT, LONG = 5_000, 50_000
MOST = 4.0  # MiB more for the long trace: held as accesses, the others would take 13 or more
HUNG = 60.0  # seconds after which a command that waits for the end of its pipe is killed


def driver(count: int) -> Iterator[Access]:
    """Return the accesses of a driver that polls, then sets registers, then polls: forty registers, few times."""
    for n in range(count):
        place = 0 if n % 200 < 100 else n % 40
        yield access(
            n,
            time=n * 50 // count * 1000,
            address=START + 4 * place,
            offset=4 * place,
            register=f"REG{place}",
            direction=WRITE if place % 3 == 1 else READ,
            value=n & 0xFF,
            width=(4, 2, 1)[place % 3],
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short and a long trace in either format."""
    folder = tmp_path_factory.mktemp("traces")
    for count, suffix in product((SHORT, LONG), (".jsonl", ".mmiotrace")):
        with writer(folder / f"{count}{suffix}", every=4096) as file:
            for one in driver(count):
                file.write(one)
    return folder


@pytest.mark.parametrize(
    "form",
    [
        "show IN.jsonl",
        "show IN.mmiotrace",
        "show IN.jsonl --table --only timer.REG7 --writes",
        "show IN.mmiotrace --table",
        "show IN.mmiotrace --fold",
        "show IN.mmiotrace --timeline OUT.png",
        "show IN.mmiotrace --heatmap OUT.png",
        "convert IN.jsonl OUT.mmiotrace",
        "convert IN.mmiotrace OUT.jsonl",
        "convert IN.mmiotrace OUT.vcd",
        "convert IN.mmiotrace OUT.json",
    ],
)
def test_memory_does_not_grow_with_the_trace(form: str, folder: Path, tmp_path: Path) -> None:
    """Ten times the accesses peak within a few MiB of each other, for every command that reads a trace once."""
    peaks = []
    for count in (SHORT, LONG):
        words = form.replace("IN", str(folder / str(count))).replace("OUT", str(tmp_path / "out"))
        peaks.append(looked(*words.split())[2])
    assert peaks[1] - peaks[0] < MOST


@pytest.mark.parametrize("suffix", [".jsonl", ".mmiotrace"])
@pytest.mark.parametrize("options", [["--table"], ["--fold"], ["--table", "--reads"]], ids=" ".join)
def test_the_first_line_comes_before_the_trace_has_ended(
    suffix: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a pipe whose writer waits for the first line before it continues, `show` prints it and later all others."""
    path, pipe = tmp_path / f"run{suffix}", tmp_path / "pipe"
    with writer(path) as file:
        for one in driver(SHORT):
            file.write(one)
    text = path.read_bytes()
    half = text.index(b"\n", len(text) // 2) + 1
    os.mkfifo(pipe)
    seen = Event()

    def feed() -> None:
        with open(pipe, "wb") as end, suppress(BrokenPipeError):
            end.write(text[:half])
            end.flush()
            seen.wait()
            end.write(text[half:])

    command = [*COMMAND, "show", str(pipe), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as child:
        assert child.stdout is not None
        feeding, hung = Thread(target=feed), Timer(HUNG, child.kill)
        feeding.start()
        hung.start()
        first = child.stdout.readline()
        seen.set()
        rest = child.stdout.read()
        hung.cancel()
        feeding.join()
    assert child.returncode == 0
    assert main(["show", str(path), *options]) == 0
    assert first + rest == capsys.readouterr().out


def test_what_comes_through_a_pipe_is_what_is_in_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`show` and `convert` read a pipe as they read the file, from its first byte, and need to read it only once."""
    path = tmp_path / "run.jsonl"
    with writer(path) as file:
        for one in driver(300):
            file.write(one)
    out = tmp_path / "out.txt"
    for command in (["show"], ["show", "--table"], ["show", "--fold"], ["convert", str(out)]):
        name, *others = command
        assert main([name, str(path), *others]) == 0
        expected = capfd.readouterr().out, out.read_bytes() if out.exists() else b""
        piped = f"cat '{path}' | {' '.join(map(repr, COMMAND))} {name} /dev/stdin {' '.join(others)}"
        done = subprocess.run(piped, shell=True, capture_output=True, text=True, env=ENVIRONMENT, check=True)
        assert (done.stdout, out.read_bytes() if out.exists() else b"") == expected
