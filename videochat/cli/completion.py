"""`videochat completion`: what makes a shell complete commands, options and their values, read off the parser."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from shlex import quote

from videochat.cli.common import Commands, add_command

SHELLS = ("bash", "zsh", "fish")


@dataclass
class _Place:
    """A command, by the words that lead to it: what may follow."""

    words: tuple[str, ...]
    commands: dict[str, str] = field(default_factory=dict)
    """What each command below it does, by name."""
    options: dict[str, str] = field(default_factory=dict)
    """What each option does, by its longest name."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """What may follow an option; under "" what may follow the command itself."""


def add_commands(commands: Commands) -> None:
    """Add `completion`."""
    completion = add_command(commands, "completion", _completion, "print what makes a shell complete these commands")
    completion.add_argument(
        "shell",
        choices=SHELLS,
        help='bash, zsh: eval "$(videochat completion bash)"; fish: videochat completion fish | source',
    )


def _completion(options: argparse.Namespace) -> int:
    print(script(options.parser, options.shell), end="")
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion of a parser's commands for a shell.

    Args:
        parser: with the commands.
        shell: one of `SHELLS`.
    """
    places = _places(parser, ())
    if shell == "fish":
        return _fish(places)
    # zsh runs completions of bash.
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + _bash(places)


def _places(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> list[_Place]:
    place, below = _Place(words), []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                place.commands[name] = helps.get(name, "")
                below += _places(inner, (*words, name))
        elif action.help != argparse.SUPPRESS:
            name = max(action.option_strings, key=len, default="")
            if name:
                place.options[name] = action.help or ""
            if action.choices:
                place.values[name] = [str(choice) for choice in action.choices]
    return [place, *below]


def _bash(places: list[_Place]) -> str:
    cases = []
    for place in places:
        path = " ".join(place.words)
        cases += [
            f"    {quote(f'{path} {option}' if path else option)}) words={quote(' '.join(values))} ;;"
            for option, values in place.values.items()
            if option
        ]
    for place in places:
        path = " ".join(place.words)
        follow = " ".join([*place.commands, *place.values.get("", [])])
        cases.append(f"    {quote(path)}' '*) words={quote(follow)}; options={quote(' '.join(place.options))} ;;")
    groups = "|".join(quote(" ".join(p.words)) for p in places if p.commands and p.words) or "''"
    return f"""_videochat() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" path="" words="" options="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${{COMP_WORDS[i]}}" in -*) continue ;; esac
    case "$path" in
      '') path="${{COMP_WORDS[i]}}" ;;
      {groups}) path="$path ${{COMP_WORDS[i]}}" ;;
      *) break ;;
    esac
  done
  case "${{path:+$path }}$before" in
{chr(10).join(case for case in cases if "options=" not in case)}
  esac
  if [ -z "$words" ]; then
    case "$path " in
{chr(10).join("  " + case for case in cases if "options=" in case)}
    esac
  fi
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}}
complete -o bashdefault -o default -F _videochat videochat
"""


def _fish(places: list[_Place]) -> str:
    lines = []
    for place in places:
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in place.words)
        alone = f"not __fish_seen_subcommand_from {' '.join(place.commands)}" if place.commands else ""
        here = quote("; and ".join(part for part in (seen, alone) if part))
        for name, text in place.commands.items():
            lines.append(f"complete -c videochat -f -n {here} -a {quote(name)} -d {quote(text)}")
        for value in place.values.get("", []):
            lines.append(f"complete -c videochat -f -n {here} -a {quote(value)}")
        for option, text in place.options.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            values = place.values.get(option)
            follow = f" -x -a {quote(' '.join(values))}" if values else ""
            where = f" -n {here}" if here != "''" else ""
            lines.append(f"complete -c videochat{where} {name}{follow} -d {quote(text.split(' (default')[0])}")
    return "\n".join(lines) + "\n"
