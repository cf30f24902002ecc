"""`pagetrap completion`: completion scripts for shells, made from the parsers."""

import argparse
from collections.abc import Callable, Iterator
from shlex import quote
from typing import Final, Literal, NamedTuple, TypeAlias

from mmio.commands.parser import Commands, Example, Parser, arguments, declare, subcommands

_EXAMPLES: Final = (
    Example("bash, for you: a line for ~/.bashrc", 'eval "$(pagetrap completion bash)"'),
    Example("zsh, a file in a folder of $fpath", "pagetrap completion zsh > ~/.zfunc/_pagetrap"),
    Example("fish", "pagetrap completion fish > ~/.config/fish/completions/pagetrap.fish"),
)

Kind: TypeAlias = Literal["none", "flag", "words", "files", "programs", "processes"]
"""What can stand for a value: nothing we know, no value at all, certain words, or names of the system's."""

_KINDS: Final[dict[str, Kind]] = {
    "A": "files",
    "B": "files",
    "FILE": "files",
    "DEVICE": "files",
    "FILE.py:CLASS@WHERE": "files",
    "FILE.py:CLASS[@REGION]": "files",
    "FILE.py:CLASS": "files",
    "FILE.py:FUNCTION": "files",
    "SOCKET": "files",
    "GLOB": "files",
    "IN": "files",
    "OUT": "files",
    "PAGE": "files",
    "PICTURE": "files",
    "PID": "processes",
    "PROGRAM": "programs",
    "TRACE": "files",
}


class Argument(NamedTuple):
    """An option or a positional argument, as a shell has to know it."""

    spellings: tuple[str, ...]
    kind: Kind
    words: tuple[str, ...]
    help: str
    name: str


class Command(NamedTuple):
    """A subcommand, or with an empty name the command itself."""

    name: str
    help: str
    options: tuple[Argument, ...]
    positionals: tuple[Argument, ...]


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    command = declare(
        commands,
        "completion",
        _print,
        "Print a script that makes a shell complete commands, options and their values.",
        _EXAMPLES,
    )
    command.add_argument("shell", choices=tuple(SCRIPTS), metavar="SHELL", help=" or ".join(SCRIPTS))


def _print(options: argparse.Namespace) -> int:
    from mmio.commands.main import parser  # the whole, with the arguments of every command

    print("\n".join(SCRIPTS[options.shell](described(parser()))))
    return 0


def described(parser: Parser) -> list[Command]:
    """Return what a shell has to know of a parser and of its subcommands, the parser itself first."""
    found = [("", parser.description or "", parser)]
    found += [(name, summary, command) for name, (summary, command) in subcommands(parser).items()]
    commands = []
    for name, summary, command in found:
        known = [_argument(action) for action in arguments(command)]
        options = tuple(argument for argument in known if argument.spellings)
        commands.append(Command(name, summary, options, tuple(a for a in known if not a.spellings)))
    return commands


def _argument(action: argparse.Action) -> Argument:
    name = str(action.metavar or action.dest)
    kind: Kind = "words" if action.choices is not None else _KINDS.get(name, "none")
    if action.nargs == 0:
        kind = "flag"
    words = tuple(str(choice) for choice in action.choices or ())
    return Argument(tuple(action.option_strings), kind, words, (action.help or "").replace("%%", "%"), name)


def _spellings(command: Command) -> list[str]:
    return [spelling for option in command.options for spelling in option.spellings]


def _bash(commands: list[Command]) -> Iterator[str]:
    """bash(1), "Programmable Completion". Words are completed by hand, so that bash-completion is not needed."""
    main, *rest = commands
    yield "# bash completion for pagetrap, made by `pagetrap completion bash`"
    yield "_pagetrap() {"
    yield "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}"
    yield "    local command='' program='' skip='' valued='' kind='' value='' words='' values='' i"
    yield "    COMPREPLY=()"
    yield "    for ((i = 1; i < COMP_CWORD; i++)); do"
    yield "        [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }"
    yield "    done"
    yield "    case $command in"
    yield f"    '') words={quote(' '.join([*(c.name for c in rest), *_spellings(main)]))} ;;"
    for command in rest:
        yield f"    {command.name})"
        yield f"        words={quote(' '.join(_spellings(command)))}"
        valued = [option for option in command.options if option.kind != "flag"]
        yield f"        valued={quote(' '.join(s for option in valued for s in option.spellings))}"
        for argument in command.positionals[:1]:
            yield f"        kind={argument.kind} values={quote(' '.join(argument.words))}"
        if valued:
            yield "        case $previous in"
            for option in valued:
                words = quote(" ".join(option.words))
                yield f"        {'|'.join(option.spellings)}) value={option.kind} values={words} ;;"
            yield "        esac"
        yield "        ;;"
    yield from _BASH_END.splitlines()


_BASH_END: Final = """\
    esac
    for ((i = i + 1; i < COMP_CWORD; i++)); do
        if [[ $skip ]]; then skip=
        elif [[ " $valued " == *" ${COMP_WORDS[i]} "* ]]; then skip=1
        elif [[ ${COMP_WORDS[i]} != -* ]]; then program=1; break
        fi
    done
    [[ $kind == programs && $program ]] && kind=files words=
    if [[ $value ]]; then kind=$value
    elif [[ $current == -* || -z $kind ]]; then kind=words values=$words
    fi
    case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current") ;;
    programs) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
    processes) mapfile -t COMPREPLY < <(cd /proc && compgen -G '[0-9]*' | grep "^$current") ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}
complete -F _pagetrap pagetrap"""


def _zsh(commands: list[Command]) -> Iterator[str]:
    """zshcompsys(1), `_arguments`."""
    main, *rest = commands
    yield "#compdef pagetrap"
    yield "# zsh completion for pagetrap, made by `pagetrap completion zsh`"
    yield "_pagetrap() {"
    yield "    local curcontext=$curcontext state line"
    yield "    local -a commands"
    yield "    typeset -A opt_args"
    yield f"    _arguments -C {' '.join(_zsh_options(main))} '1: :->command' '*:: :->arguments'"
    yield "    case $state in"
    yield "    command)"
    yield f"        commands=({' '.join(quote(f'{c.name}:{_zsh_text(c.help)}') for c in rest)})"
    yield "        _describe -t commands command commands"
    yield "        ;;"
    yield "    arguments)"
    yield "        case $words[1] in"
    for command in rest:
        yield f"        {command.name})"
        specs = [*_zsh_options(command), *(quote(_zsh_positional(a)) for a in command.positionals)]
        yield "            _arguments -s -S \\\n                " + " \\\n                ".join(specs)
        yield "            ;;"
    yield "        esac"
    yield "        ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ $funcstack[1] == _pagetrap ]]; then _pagetrap "$@"; else compdef _pagetrap pagetrap; fi'


_ZSH_VALUES: Final[dict[Kind, str]] = {
    "none": " ",
    "files": "_files",
    "programs": "_normal",
    "processes": "_pids",
}


def _zsh_options(command: Command) -> Iterator[str]:
    for option in command.options:
        value = "" if option.kind == "flag" else f":{_zsh_text(option.name)}:{_zsh_values(option)}"
        others = f"({' '.join(option.spellings)})" if option.kind in ("flag", "words") else "*"
        for spelling in option.spellings:
            yield quote(f"{others}{spelling}[{_zsh_text(option.help)}]{value}")


def _zsh_positional(argument: Argument) -> str:
    if argument.kind == "programs":
        return f"*:::{argument.name}:_normal"
    return (
        f"*:{argument.name}:{_zsh_values(argument)}"
        if argument.name == "HEX"
        else f":{argument.name}:{_zsh_values(argument)}"
    )


def _zsh_values(argument: Argument) -> str:
    return f"({' '.join(argument.words)})" if argument.kind == "words" else _ZSH_VALUES[argument.kind]


def _zsh_text(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, "\\" + special)
    return text


def _fish(commands: list[Command]) -> Iterator[str]:
    """complete(1) of fish."""
    main, *rest = commands
    yield "# fish completion for pagetrap, made by `pagetrap completion fish`"
    yield "complete -c pagetrap -f"
    for option in main.options:
        yield f"complete -c pagetrap -n __fish_use_subcommand {_fish_option(option)}"
    for command in rest:
        yield f"complete -c pagetrap -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.help)}"
    for command in rest:
        when = f"complete -c pagetrap -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            yield f"{when} {_fish_option(option)}"
        for argument in command.positionals[:1]:
            values = _fish_values(argument)
            if values:
                yield f"{when} {values}"


def _fish_option(option: Argument) -> str:
    names = [f"-l {s[2:]}" if s.startswith("--") else f"-s {s[1:]}" for s in option.spellings]
    value = "" if option.kind == "flag" else " -x" if option.kind == "none" else f" -r {_fish_values(option)}"
    return f"{' '.join(names)}{value} -d {_fish_quoted(option.help)}"


def _fish_values(argument: Argument) -> str:
    if argument.kind == "words":
        return f"-f -a {_fish_quoted(' '.join(argument.words))}"
    values: dict[Kind, str] = {
        "files": "-F",
        "programs": "-a '(__fish_complete_subcommand)'",
        "processes": "-f -a '(__fish_complete_pids)'",
    }
    return values.get(argument.kind, "")


def _fish_quoted(text: str) -> str:
    # In single quotes fish knows \\ and \' (fish(1), "Quotes").
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: Final[dict[str, Callable[[list[Command]], Iterator[str]]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""What makes the script, by shell."""
