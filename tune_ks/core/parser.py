"""The parser of all commands: argparse, with a suggestion for a mistyped option and no default that says nothing."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tune_ks.core.did_you_mean import did_you_mean


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Defaults are shown where there is one, at the end of the help of an option."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose message about an unknown option names the option that looks like it, in one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, **settings})

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The arguments; ends the program with code 2 and one message where there are others.

        A word too many is said before an option that is missing: it may be the value of that option.
        """
        needed = [action for action in self._actions if action.required]
        for action in needed:
            action.required = False
        values, unknown = self.parse_known_args(args, namespace)
        for action in needed:
            action.required = True
        if unknown:
            self.unknown(unknown, values)
        missing = [_name(action) for action in needed if getattr(values, action.dest) is None]
        if missing:
            self.error(f"the following arguments are required: {', '.join(missing)}")
        return values

    def error(self, message: str) -> NoReturn:
        """End the program with code 2 and the message, without the list of all options."""
        if message.endswith("expected one argument"):  # of argparse, which takes such a word for an option
            message += "; one that begins with a dash is written OPTION=VALUE"
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """The value of a word. An empty one is refused: a path would be this folder, or be taken for not given.

        ~ is the home folder also where no shell has put it there, as in --run=~/runs/one.
        """
        if not arg_string:
            raise argparse.ArgumentError(action, "must not be empty: was a variable of the shell not set?")
        return super()._get_value(action, os.path.expanduser(arg_string))

    def unknown(self, words: Sequence[str], values: argparse.Namespace) -> NoReturn:
        """End with a message about words that the command does not take, and what they may mean."""
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        suggestion = self._without_option(options[0]) if options else self._as_option(words[0], values)
        self.error(f"unrecognized arguments: {' '.join(words)}{suggestion}")

    def _without_option(self, option: str) -> str:
        """What an option that is not known was meant to be: one of nearly this name, or an argument without a name."""
        for action in self._actions:
            if not action.option_strings and option == f"--{action.dest}":
                return f"; did you mean {_name(action)} without '{option}'?"
        return did_you_mean(option, self._option_string_actions)

    def _as_option(self, word: str, values: argparse.Namespace) -> str:
        """That a word too many may be the value of the first option of a path that was not given; "" without one."""
        for action in self._actions:
            takes_path = action.type is Path and isinstance(action, argparse._StoreAction)
            if takes_path and action.option_strings and getattr(values, action.dest) is None:
                return f"; did you mean '{_name(action)} {word}'?"
        return ""


def _name(action: argparse.Action) -> str:
    """The option, or the name of an argument without one."""
    return action.option_strings[0] if action.option_strings else str(action.metavar or action.dest)
