"""The manual page and the reference in docs/command-line.md, made from the parsers.

`python -m tests.docs.manual` writes both.
"""

import argparse
import configparser
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from mmio.commands.main import parser
from mmio.commands.parser import Parser, arguments, groups_of, subcommands

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "command-line.md"
MANUAL = TOP / "docs" / "pagetrap.1"

_DATE = "2026-11-25"  # of the last change to what the page says
_ENVIRONMENT = (
    ("NO_COLOR", "When it is set and not empty, nothing is coloured (no-color.org)."),
    ("TERM", 'When it is "dumb", nothing is coloured either.'),
)
_SEE = "strace(1), memtool(1), hwclock(8), ptrace(2), iopl(2), proc(5)"
_REFERENCE = re.compile(r"(<!-- reference: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def usage(command: Parser) -> str:
    """Return the usage of a command on one line, however wide the terminal is."""
    words = [command.prog]
    for action in arguments(command):
        name = _metavar(action)
        if action.nargs == argparse.REMAINDER:
            word = f"[--] {name} [ARGUMENT...]"
        elif not action.option_strings:
            word = f"{name}..." if action.nargs == "+" else name
        else:
            word = " ".join([action.option_strings[-1], *([name] if action.nargs != 0 else [])])
            word = word if action.required else f"[{word}]"
        words.append(word)
    return " ".join([*words, *(["COMMAND ..."] if subcommands(command) else [])])


def _metavar(action: argparse.Action) -> str:
    if action.metavar is None and action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _meaning(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def reference(command: Parser) -> Iterator[str]:
    """Yield the lines of a command's reference in Markdown."""
    yield from (str(command.description), "", "```", usage(command), "```", "", "| argument | meaning |", "|---|---|")
    for action in arguments(command):
        name = _metavar(action) if action.nargs != 0 else ""
        spelling = ", ".join(f"{text} {name}".strip() for text in action.option_strings) or name
        yield f"| `{_cell(spelling)}` | {_cell(_meaning(action)).replace('*', chr(92) + '*')} |"
    for note in _remarks(command):
        for paragraph in note.split("\n\n"):
            yield from ("", "```", paragraph.strip("\n"), "```") if "\n" in paragraph else ("", paragraph)


def _remarks(command: Parser) -> list[str]:
    groups = [f"{str(group.title).capitalize()}: {group.description}" for group in groups_of(command)]
    return [*groups, *command.remarks]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def with_references(text: str) -> str:
    """Return a page with the references in it as they are today."""
    known = subcommands(parser())

    def replaced(match: re.Match[str]) -> str:
        return match[1] + "\n" + "\n".join(reference(known[match[2]][1])) + "\n\n" + match[3]

    return _REFERENCE.sub(replaced, text)


def manual() -> str:
    """Return the manual page, in the man macros (groff_man(7))."""
    return "\n".join(_manual(parser())) + "\n"


def _manual(top: Parser) -> Iterator[str]:
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    known = subcommands(top)
    yield '.\\" Made from the parsers by `python -m tests.docs.manual`.'
    yield f'.TH PAGETRAP 1 {_DATE} "pagetrap {setup["metadata"]["version"]}" "User Commands"'
    description = str(top.description)
    yield from (".SH NAME", f"pagetrap \\- {_text(description[0].lower() + description[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B pagetrap", _text("[--help] [--version] COMMAND ..."))
    yield from (
        ".SH DESCRIPTION",
        _text("Every access is caught where it happens: the instruction is decoded and done by"),
    )
    yield _text("pagetrap, which so learns its exact width and value. The program need not be rebuilt. Commands:")
    for name, (summary, _) in known.items():
        yield from (".TP", f".B {name}", _text(summary[0].upper() + summary[1:] + "."))
    yield ".SH COMMANDS"
    for _, command in known.values():
        yield from _manual_of(command)
    yield from (".SH EXIT STATUS", *(_text(note) for note in top.notes))
    yield ".SH ENVIRONMENT"
    for variable, meaning in _ENVIRONMENT:
        yield from (".TP", f".B {variable}", _text(meaning))
    yield from (".SH EXAMPLES", *list(_examples(top))[1:], ".SH SEE ALSO", _text(_SEE))


def _manual_of(command: Parser) -> Iterator[str]:
    yield from (f".SS {command.prog}", _text(str(command.description)), ".PP", _text(usage(command), 60))
    for action in arguments(command):
        yield from (".TP", _spelling(action), _text(_meaning(action)))
    for note in _remarks(command):
        for paragraph in note.split("\n\n"):
            yield ".PP"
            if "\n" in paragraph:
                yield from (".EX", *(_code(line) for line in paragraph.strip("\n").splitlines()), ".EE")
            else:
                yield _text(paragraph)
    yield from _examples(command)


def _examples(command: Parser) -> Iterator[str]:
    for purpose, line in command.examples:
        yield from (
            ".PP",
            _text(purpose[0].upper() + purpose[1:].rstrip("?") + ":"),
            ".PP",
            ".RS 4",
            ".EX",
            _code(line),
        )
        yield from (".EE", ".RE")


def _spelling(action: argparse.Action) -> str:
    name = f"\\fI{_escaped(_metavar(action))}\\fR" if action.nargs != 0 else ""
    if not action.option_strings:
        return name
    spellings = ", ".join(f"\\fB{_escaped(text)}\\fR" for text in action.option_strings)
    return f"{spellings} {name}".rstrip()


def _text(text: str, width: int = 72) -> str:
    """Return running text, each sentence on lines of its own, as the macros want it."""
    sentences = re.sub(r"(?<=[.?;:]) (?=[A-Z])", "\n", text).splitlines()
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, width, break_on_hyphens=False)]
    return "\n".join(_guarded(_escaped(line)) for line in lines)


def _code(text: str) -> str:
    return _guarded(_escaped(text).replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti"))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _guarded(line: str) -> str:
    """Return a line that is no request, whatever it begins with."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def main() -> None:
    """Write both."""
    MANUAL.write_text(manual())
    PAGE.write_text(with_references(PAGE.read_text()))


if __name__ == "__main__":
    main()
