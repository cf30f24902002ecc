"""Argument parser of all subcommands: wrapped help, examples, two-line errors with a suggestion.

The tree of parsers is the one description of the command line. Help, completion scripts, the manual page and the
reference in docs/command-line.md are all made from it.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from mmio.commands.messages import presentable
from mmio.commands.subjects import SUBJECTS
from mmio.errors import MmioError

USAGE: Final = 2
"""The exit status of a command line that asks for something wrongly."""

_PLAINER: Final = (
    (r"ignored explicit argument", "it takes no value, got"),
    (
        r"argument (\S+?)(/\S+)?: expected one argument",
        r"argument \1\2: expected a value; one that begins with - needs \1=VALUE",
    ),
)
"""Messages of argparse, and what is said in their place."""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Example(NamedTuple):
    """A command line worth copying, and what it is for."""

    purpose: str
    line: str


class UsageError(MmioError):
    """The arguments are valid individually but not together."""


class _Formatter(argparse.HelpFormatter):
    """Fills paragraphs, and leaves alone what has lines of its own."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        def filled(paragraph: str) -> str:
            if paragraph.startswith(" ") or "\n" in paragraph:
                return textwrap.indent(paragraph, indent)
            return textwrap.fill(paragraph, width, initial_indent=indent, subsequent_indent=indent)

        return "\n\n".join(map(filled, text.split("\n\n")))

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.REMAINDER:
            return f"{action.metavar or default_metavar} ..."
        return super()._format_args(action, default_metavar)


class Parser(argparse.ArgumentParser):
    """A parser of arguments that teaches by examples.

    Attributes:
        examples: shown at the end of the help.
        notes: paragraphs before them; a paragraph of several lines is kept as it is.
    """

    def __init__(self, *, examples: Sequence[Example] = (), notes: Sequence[str] = (), **settings: Any) -> None:
        self.examples = tuple(examples)
        self.notes = tuple(notes)
        # An abbreviation in a script would change its meaning when an option is added.
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **settings)

    @property
    def remarks(self) -> list[str]:
        """The notes, and what others have put at the end."""
        return [note.strip("\n") for note in (*self.notes, self.epilog or "") if note]

    def format_help(self) -> str:
        """Return the help: usage, arguments, notes, examples."""
        examples = "\n".join(f"  {example.purpose}\n      {example.line}" for example in self.examples)
        end = [*self.remarks, *([f"examples:\n{examples}"] if examples else [])]
        before, self.epilog = self.epilog, "\n\n".join(end)
        try:
            return super().format_help()
        finally:
            self.epilog = before

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments, and remember them for what is said when one is missing."""
        self._given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on, and exit."""
        if message.startswith("the following arguments are required"):
            self._refuse_misspelt()
        for theirs, ours in _PLAINER:
            message = re.sub(theirs, ours, message)
        self.exit(USAGE, f"{self.prog}: {presentable(message, sys.stderr)}\nTry '{self.prog} --help'.\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse ignores what cannot be written, and help that was lost would be a success.
        if file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def refuse(self, arguments: Sequence[str]) -> NoReturn:
        """Complain about arguments that nothing has taken."""
        first = arguments[0]
        if not first.startswith("-"):
            self.error(f"there is one argument too many: {first!r}")
        name = first.partition("=")[0]
        self.error(f"there is no option {name}{_meant(name, options(self))}")

    def _refuse_misspelt(self) -> None:
        """Complain about the first option that does not exist, if there is one: it may be the one that is missing."""
        known = {spelling: action for action in arguments(self) for spelling in action.option_strings}
        is_value = False
        for argument in self._given:
            if is_value:
                is_value = False
                continue
            name, equals, _ = argument.partition("=")
            if not argument.startswith("-") or argument == "--":
                return  # the rest may be a program's
            option = known.get(name) or (None if argument.startswith("--") else known.get(argument[:2]))
            if option is None:
                self.refuse([name])
            is_value = option.nargs != 0 and not equals and argument in option.option_strings

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # argparse would speak of an invalid int, where only some numbers can be chosen.
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError:
            self._check_value(action, arg_string)
            raise

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # The choices of argparse's own message are quoted and unordered, and nothing is suggested.
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            kind = "command" if action.nargs == argparse.PARSER else "choice"
            raise argparse.ArgumentError(
                action if kind == "choice" else None,
                f"there is no {kind} {str(value)!r}{_meant(str(value), names)}; there are {', '.join(names)}",
            )


def declare(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    description: str,
    examples: Sequence[Example],
    notes: Sequence[str] = (),
    *,
    trouble: int = 1,
) -> Parser:
    """Add a subcommand and return its parser.

    Args:
        commands: the subcommands to add it to.
        name: the word on the command line, of `SUBJECTS`.
        run: does it, and returns the exit status.
        description: what it does, for its own help.
        examples: of its use, shown in its help.
        notes: paragraphs at the end of its help.
        trouble: the exit status when it cannot be done.
    """
    summary = SUBJECTS[name].summary
    parser = commands.add_parser(name, help=summary, description=description, examples=examples, notes=notes)
    parser.set_defaults(command=run, trouble=trouble, parser=parser)
    return parser


def subcommands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, Parser]]:
    """Return the subcommands of a parser by name: what each does in a few words, and its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            return {name: (summaries[name], found) for name, found in action.choices.items()}
    return {}


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments and options of a parser in the order they were declared, without the subcommands."""
    return [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]


def groups_of(parser: argparse.ArgumentParser) -> list[argparse._ArgumentGroup]:
    """Return the groups of arguments that have something to say."""
    return [group for group in parser._action_groups if group.description]


def options(parser: argparse.ArgumentParser) -> list[str]:
    """Return the spellings of all options of a parser."""
    return [spelling for action in arguments(parser) for spelling in action.option_strings]


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
