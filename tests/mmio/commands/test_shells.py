"""Completion scripts, in the shells they are for."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mmio.commands.main import main, parser
from mmio.commands.shells import SCRIPTS, described
from tests.needs import need


def script(shell: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write a shell's script, as `pagetrap completion` prints it."""
    assert main(["completion", shell]) == 0
    path = directory / "_pagetrap"
    path.write_text(capsys.readouterr().out)
    return path


def run(*command: str, cwd: Path) -> str:
    """Run a command and return its output; it must have no complaint."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a file to complete, whose name has a space."""
    (tmp_path / "run one.jsonl").touch()
    (tmp_path / "card.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("pagetrap ", {"trace", "attach", "run", "decode", "completion", "--help", "--version"}, {"card.py"}),
        ("pagetrap tr", {"trace"}, {"run"}),
        ("pagetrap trace --", {"--map", "--live", "--only", "--output"}, {"--device", "-o"}),
        ("pagetrap run --d", {"--device"}, {"--map"}),
        ("pagetrap run --device ", {"card.py", "run one.jsonl"}, {"--map"}),
        ("pagetrap trace --format ", {"jsonlines", "vcd", "perfetto"}, {"card.py"}),
        ("pagetrap trace --map x memt", {"memtool"}, {"card.py"}),
        ("pagetrap trace --map x -- memt", {"memtool"}, {"card.py"}),
        ("pagetrap trace --map x memtool ru", {"run one.jsonl"}, {"memtool", "run"}),
        ("pagetrap attach -p ", {"1"}, {"card.py"}),
        ("pagetrap show ru", {"run one.jsonl"}, {"--table"}),
        ("pagetrap show --html ", {"run one.jsonl"}, {"--table"}),
        ("pagetrap decode --bits ", {"16", "32", "64"}, {"card.py"}),
        ("pagetrap coverage --by m", {"mnemonic"}, {"feature"}),
        ("pagetrap completion ", {"bash", "zsh", "fish"}, {"card.py"}),
        ("pagetrap trace --range ", set(), {"card.py", "--map"}),
    ],
)
def test_bash_offers_the_words_that_fit(
    line: str, wanted: set[str], unwanted: set[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What bash offers at the end of a line."""
    if "memtool" in wanted:
        need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    words = line.split(" ")
    array = " ".join(f"'{word}'" for word in words)
    source = f"""
    source {script("bash", here, capsys)}
    complete -p pagetrap
    COMP_WORDS=({array}) COMP_CWORD={len(words) - 1}
    _pagetrap
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    declared, *offered = run("bash", "--norc", "-c", source, cwd=here).splitlines()
    assert declared == "complete -F _pagetrap pagetrap"
    assert wanted <= set(offered)
    assert not unwanted & set(offered)


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        ("pagetrap ", {"trace", "run", "completion"}, set[str]()),
        ("pagetrap trace --", {"--map", "--live", "--only", "--output"}, {"--device"}),
        ("pagetrap run --device c", {"card.py"}, {"run"}),
        ("pagetrap trace --format ", {"jsonlines", "vcd"}, {"card.py"}),
        ("pagetrap decode --bits ", {"16", "32", "64"}, {"card.py"}),
        ("pagetrap completion ", {"bash", "zsh", "fish"}, {"card.py"}),
    ],
)
def test_fish_offers_the_words_that_fit(
    line: str, wanted: set[str], unwanted: set[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fish offers at the end of a line."""
    need(shutil.which("fish"), "fish (apt-get install fish)")
    source = f"source {script('fish', here, capsys)}; complete -C '{line}'"
    offered = {entry.partition("\t")[0] for entry in run("fish", "--no-config", "-c", source, cwd=here).splitlines()}
    assert wanted <= offered
    assert not unwanted & offered


def test_zsh_reads_the_script_and_gets_its_arguments(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """zsh reads the script, knows whom it completes, and hands `_arguments` what that understands."""
    need(shutil.which("zsh"), "zsh (apt-get install zsh)")
    path = script("zsh", here, capsys)
    source = f"""
    autoload -Uz compinit && compinit -u -d {here}/dump && source {path} && print $_comps[pagetrap]
    _arguments() {{ print -rl -- "$@" }}
    _describe() {{ print -rl -- "$@" $commands }}
    words=(trace) state=arguments
    _pagetrap
    """
    run("zsh", "-n", str(path), cwd=here)
    handler, *specs = run("zsh", "-f", "-c", source, cwd=here).splitlines()
    assert handler == "_pagetrap"
    assert "1: :->command" in specs


@pytest.mark.parametrize("shell", SCRIPTS)
def test_nothing_is_left_out(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command and every option of it is in the script."""
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for command in described(parser()):
        assert command.name in text
        for option in command.options:
            for spelling in option.spellings:
                assert (f"-l {spelling[2:]}" if shell == "fish" and spelling[:2] == "--" else spelling[1:]) in text


def test_every_value_is_known() -> None:
    """A value is a choice, something of the system's, or one of those that cannot be guessed."""
    unknown = {
        argument.name
        for command in described(parser())
        for argument in (*command.options, *command.positionals)
        if argument.kind == "none"
    }
    numbers = {"BYTES", "FIRST-LAST", "NUMBER", "PERCENT", "START+LENGTH", "TIME", "VALUE"}
    of_guests = {"COMMAND", "CPUS", "MIB", "NAME", "PORT", "SECONDS", "VENDOR:DEVICE", "WORD", "WORDS"}
    assert unknown == {*numbers, *of_guests, "CODE", "FAULT", "HEX", "PLACE", "POLICY", "REGISTER", "REPORT"}
