"""`graphopt completion`: a script with which a shell completes verbs and options.

It is made from the parsers and holds everything, so completing starts no Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphopt.commands.shared import OK, print_text
from graphopt.commands.verbs import SUMMARIES, make_parser

SHELLS = ("bash", "zsh", "fish")
_INSTALL = """\
to install:
  bash  graphopt completion bash > \\
          ~/.local/share/bash-completion/completions/graphopt
  zsh   graphopt completion zsh > a folder in $fpath, as _graphopt
  fish  graphopt completion fish > ~/.config/fish/completions/graphopt.fish
"""


@dataclass
class Words:
    """What can follow a verb.

    Attributes:
      path: The verb, and what follows it if that is a verb too.
      summary: What it does.
      options: Each with its help and the values that it takes.
      nouns: The verbs below it, or the values of its argument.
    """

    path: tuple[str, ...]
    summary: str
    options: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    nouns: tuple[str, ...] = ()


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = commands.add_parser(
        "completion",
        help=SUMMARIES["completion"],
        description=SUMMARIES["completion"].capitalize() + ".",
        epilog=_INSTALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints the script."""
    _, parsers = make_parser(SUMMARIES)
    words = list(collect_words(parsers, (), SUMMARIES))
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    print_text(writers[options.shell](words))
    return OK


def _help(commands: Any) -> dict[str, str]:
    return {action.dest: action.help or "" for action in commands._choices_actions}


def collect_words(
    parsers: dict[str, argparse.ArgumentParser],
    path: tuple[str, ...],
    summaries: dict[str, str],
) -> Iterator[Words]:
    """Yields what can follow each verb, verbs of verbs after them."""
    for name, parser in parsers.items():
        words = Words((*path, name), summaries.get(name, ""))
        inner: list[Words] = []
        for action in parser._actions:
            values = tuple(map(str, action.choices or ()))
            if isinstance(action, argparse._SubParsersAction):
                inner = list(collect_words(action.choices, words.path, _help(action)))
                words.nouns = values
            elif action.option_strings:
                for option in action.option_strings:
                    words.options[option] = (action.help or "", values)
            elif values:
                words.nouns = values
        yield words
        yield from inner


def _bash(words: list[Words]) -> str:
    verbs = " ".join(each.path[0] for each in words if len(each.path) == 1)
    cases = []
    for each in reversed(words):
        # Longer paths first: the first pattern that fits is taken.
        nouns = " ".join((*each.options, *each.nouns))
        pattern = " ".join(each.path)
        cases.append(f'    "{pattern} "*) words="{nouns}" ;;')
    values = {
        option: " ".join(choices)
        for each in words
        for option, (_, choices) in each.options.items()
        if choices
    }
    chosen = "\n".join(
        f'    {name}) words="{text}" ;;' for name, text in values.items()
    )
    listed = "\n".join(cases)
    return f"""\
# bash completion for graphopt
_graphopt() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local words="" line="${{COMP_WORDS[*]:1:COMP_CWORD-1}} "
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{verbs} --help --version"
  else
    case "$line" in
{listed}
    esac
  fi
  case "$previous" in
{chosen}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$current" in
    -*) ;;
    *) compopt -o filenames; COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}}
complete -F _graphopt graphopt"""


def _quote(text: str) -> str:
    """Puts a text in single quotes, in which shells know no special characters."""
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh(words: list[Words]) -> str:
    verbs = [each for each in words if len(each.path) == 1]
    listed = " ".join(
        _quote(f"{each.path[0]}:{each.summary.replace(':', ' ')}") for each in verbs
    )
    cases = []
    for verb in verbs:
        own = [each for each in words if each.path[0] == verb.path[0]]
        options = {name: value for each in own for name, value in each.options.items()}
        specs = []
        for name, (text, choices) in options.items():
            clean = text.translate({ord(char): " " for char in "[]:\\\n"})
            follows = f":value:({' '.join(choices)})" if choices else ""
            specs.append(_quote(f"{name}[{clean}]{follows}"))
        nouns = " ".join(verb.nouns)
        first = f":what:({nouns})" if nouns else ":target:_files"
        specs += [_quote(first), _quote("*:target:_files")]
        cases.append(f"    {verb.path[0]}) _arguments {' '.join(specs)} ;;")
    body = "\n".join(cases)
    return f"""\
#compdef graphopt
_graphopt() {{
  local -a verbs
  verbs=({listed})
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
{body}
  esac
}}
if [ "$funcstack[1]" = _graphopt ]; then
  _graphopt "$@"
else
  compdef _graphopt graphopt
fi"""


def _fish(words: list[Words]) -> str:
    lines = ["# fish completion for graphopt"]
    for each in words:
        verb = each.path[0]
        if len(each.path) == 1:
            lines.append(
                "complete -c graphopt -n __fish_use_subcommand -f "
                f"-a {verb} -d {_quote(each.summary)}"
            )
        seen = "__fish_seen_subcommand_from " + " ".join(each.path[-1:])
        for name, (text, choices) in each.options.items():
            kind = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            values = f" -x -a {_quote(' '.join(choices))}" if choices else ""
            lines.append(
                f"complete -c graphopt -n {_quote(seen)} {kind}{values} "
                f"-d {_quote(text)}"
            )
        if each.nouns:
            lines.append(
                f"complete -c graphopt -n {_quote(seen)} -f "
                f"-a {_quote(' '.join(each.nouns))}"
            )
    return "\n".join(lines)
