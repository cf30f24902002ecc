"""The command line as a whole."""

import errno
import shlex
import subprocess
from pathlib import Path

import pytest

from decode import PagetrapError
from emulate import BusError, PageFault
from mmio.commands.main import main, parser
from mmio.commands.models import ModelError
from mmio.commands.parser import Parser, arguments, subcommands
from mmio.live.instruction_cache import MissedAccess
from tests.mmio.commands.process import COMMAND, ENVIRONMENT, pagetrap

COMMANDS = {name: command for name, (_, command) in subcommands(parser()).items()}
EXAMPLES = [example.line for command in (parser(), *COMMANDS.values()) for example in command.examples]


def test_there_are_the_commands_of_the_design() -> None:
    """The commands, in the order of a user's way through them."""
    wanted = ["trace", "attach", "run", "boot", "serve", "decode", "show", "convert", "diff"]
    wanted += ["coverage", "describe", "doctor", "completion"]
    assert list(COMMANDS) == wanted


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is nothing to do: two lines on standard error, status 2."""
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert capsys.readouterr().err.splitlines() == [
        "pagetrap: the following arguments are required: COMMAND",
        "Try 'pagetrap --help'.",
    ]


@pytest.mark.parametrize(
    "error", [PagetrapError("the base"), MissedAccess("gone"), PageFault(0x1000), BusError("-1"), ModelError("no")]
)
def test_every_error_of_ours_is_one_line(
    error: PagetrapError, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever error of its own a command meets, it ends in one line and the command's status for trouble."""

    def fail(_options: object) -> int:
        raise error

    monkeypatch.setattr("mmio.commands.decoding._decode", fail)
    assert main(["decode", "90"]) == 1
    assert capsys.readouterr().err == f"pagetrap: {error}\n"


@pytest.mark.parametrize(
    ("line", "where", "status", "named"),
    [("decode 90", "decoding._decode", 1, "standard output: "), ("trace --map x true", "watching.watch", 125, "")],
)
def test_an_error_without_a_name(
    line: str,
    where: str,
    status: int,
    named: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a command that prints it is standard output's; one that traces has none, and does not put the blame on it."""

    def fail(_options: object) -> int:
        raise OSError(errno.EFBIG, "File too large")

    given_up: list[object] = []
    monkeypatch.setattr("mmio.commands.main.give_up", given_up.append)
    monkeypatch.setattr(f"mmio.commands.{where}", fail)
    assert main(line.split()) == status
    assert capfd.readouterr().err == f"pagetrap: {named}File too large\n"
    assert bool(given_up) == bool(named)


def test_a_bug_is_shown_and_has_the_status_of_trouble(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen exception comes with its traceback, for the report, and is not taken for the program's status."""

    def fail(_options: object) -> int:
        raise KeyError("unforeseen")

    monkeypatch.setattr("mmio.commands.watching.watch", fail)
    assert main(["trace", "--map", "x", "true"]) == 125
    said = capsys.readouterr().err
    assert said.startswith("pagetrap: this is a bug in pagetrap, please report it\nTraceback")
    assert said.endswith("KeyError: 'unforeseen'\n\n")


@pytest.mark.parametrize("command", [parser(), *COMMANDS.values()], ids=lambda command: command.prog)
def test_help_teaches_by_examples(command: Parser) -> None:
    """The help of each command has examples of it, and says what every argument is for."""
    assert all(command.prog in example.line for example in command.examples)
    assert command.examples
    assert f"examples:\n  {command.examples[0].purpose}\n      {command.examples[0].line}" in command.format_help()
    assert [action for action in arguments(command) if not action.help] == []


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_are_understood(line: str) -> None:
    """An example that is copied gets no complaint."""
    words = shlex.split(line, comments=True)
    start = words.index("pagetrap") + 1 if "pagetrap" in words else None
    if start is None:  # within a shell's $( )
        assert "$(pagetrap completion bash)" in line
        return
    ends = [index for index, word in enumerate(words) if word in ("|", ">", "&&", ">/dev/null")]
    end = min((index for index in ends if index > start), default=len(words))
    _, left = parser().parse_known_args(words[start:end])
    assert left == []


def test_the_same_option_is_spelt_and_explained_alike() -> None:
    """An option of two commands has the same spellings, the same name for its value, and it takes one in both."""
    seen: dict[str, set[tuple[object, ...]]] = {}
    for command in COMMANDS.values():
        for action in arguments(command):
            for spelling in action.option_strings:
                seen.setdefault(spelling, set()).add((tuple(action.option_strings), action.metavar, action.nargs))
    del seen["--device"]  # where it is: in a program, on a bus, or in a trace
    assert {spelling: forms for spelling, forms in seen.items() if len(forms) > 1} == {}


def test_module_is_the_command(tmp_path: Path) -> None:
    """`python -m mmio` is `pagetrap`, and its status is the process's."""
    done = pagetrap(tmp_path, "decode", "f0 8b 07")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pagetrap: ")


def test_reader_may_leave_early() -> None:
    """When the reader stops (`| head`) the command ends as SIGPIPE would end it, without a word."""
    script = f"{shlex.join(COMMAND)} decode {'90' * 10000} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.stdout.splitlines() == ["nop    (90)", "141"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("trce", "pagetrap: there is no command 'trce'; did you mean trace?; there are trace, attach, run, "),
        ("--frobnicate", "pagetrap: there is no option --frobnicate"),
        ("trace --mapp x", "pagetrap trace: there is no option --mapp; did you mean --map?"),
        ("trace --map=x", "pagetrap trace: there is no program to run"),
        ("trace --range 5 -- true", "pagetrap trace: argument --range: there is no +LENGTH"),
        ("trace true", "pagetrap trace: nothing to watch: name mappings with --map GLOB"),
        ("trace --map x --fold true", "pagetrap trace: --fold is about the lines of --live, which was not given"),
        ("trace --map x --format vcd true", "pagetrap trace: --format is the format of -o FILE, which was not given"),
        ("trace --map x -o y --format vdc true", "argument --format: there is no choice 'vdc'; did you mean vcd?"),
        ("trace --map x --width wide true", "pagetrap trace: argument --width: expected a number"),
        ("attach --map x", "pagetrap attach: the following arguments are required: -p/--pid"),
        ("attach -p me --map x", "pagetrap attach: argument -p/--pid: expected the number of a process"),
        ("run --devcie x true", "pagetrap run: there is no option --devcie; did you mean --device?"),
        ("run -q -o x --map y --devcie=z true", "pagetrap run: there is no option --devcie; did you mean --device?"),
        ("run --map --devices true", "pagetrap run: argument --map: expected a value; one that begins with - needs"),
        ("run -qox true --devices", "pagetrap run: nothing answers: name a model with --device"),
        ("run -- true --devices", "pagetrap run: nothing answers: name a model with --device"),
        ("attach --pdi=3 --map x", "pagetrap attach: there is no option --pdi; did you mean --pid?"),
        ("attach -p 3 -p 4 -p 3 --map x", "pagetrap attach: expected each process once, got 3, 4, 3"),
        ("trace --quiet=1 --map x true", "pagetrap trace: argument -q/--quiet: it takes no value, got '1'"),
        ("trace --range -1+4 true", "argument --range: expected a value; one that begins with - needs --range=VALUE"),
        ("trace --map x --output= true", "pagetrap trace: argument -o/--output: expected the path of a file, got ''"),
        ("trace --map x --ip= true", "pagetrap trace: argument --ip: expected code such as 0x401000"),
        ("decode --bits word 90", "argument --bits: there is no choice 'word'; there are 16, 32, 64"),
        ("run --device a.py:A@/f,unmaped=ones true", "argument --device: expected ,unmapped=error or ,unmapped=ones"),
        ("run --device a.py:A@/f,unmapped=one true", "or ,unmapped=zeros, got ',unmapped=one'"),
        ("run --device a.py:A@port:0x70 true", "there is no port:; did you mean ports:? A file of this name is ./port"),
        ("run true", "pagetrap run: nothing answers: name a model with --device"),
        ("run --device card.py:Card@/dev/uio0", "pagetrap run: there is no program to run"),
        ("decode", "pagetrap decode: the following arguments are required: HEX"),
        ("decode --bits 8 90", "pagetrap decode: argument --bits: there is no choice '8'; there are 16, 32, 64"),
        ("decode 9", "pagetrap decode: expected an even number of hexadecimal digits, got '9'"),
        ("decode 90 -", "pagetrap decode: expected either bytes or - for standard input, got both"),
        ("show", "pagetrap show: the following arguments are required: TRACE"),
        ("show a b", "pagetrap show: there is one argument too many: 'b'"),
        ("convert a", "pagetrap convert: the following arguments are required: OUT"),
        ("convert a b --format x", "pagetrap convert: argument --format: there is no choice 'x'; there are jsonlines"),
        ("diff a", "pagetrap diff: the following arguments are required: B"),
        ("coverage --markdown --missing", "pagetrap coverage: --markdown is the whole table"),
        ("completion", "pagetrap completion: the following arguments are required: SHELL"),
        (
            "completion tcsh",
            "pagetrap completion: argument SHELL: there is no choice 'tcsh'; there are bash, zsh, fish",
        ),
    ],
)
def test_a_wrong_command_line(line: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is met with status 2, what is wrong, and where to read on; nothing is printed or done."""
    with pytest.raises(SystemExit, match="2"):
        main(shlex.split(line))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err
    *_, last = captured.err.splitlines()
    assert last.startswith("Try 'pagetrap")
    assert last.endswith(" --help'.")
