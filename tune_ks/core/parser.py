"""The parser of all commands: argparse, with a suggestion for a mistyped option and no default that says nothing."""

import argparse
from collections.abc import Sequence
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
        """The arguments; ends the program with code 2 and one message where there are others."""
        values, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.unknown(unknown)
        return values

    def error(self, message: str) -> NoReturn:
        """End the program with code 2 and the message, without the list of all options."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """End with a message about words that the command does not take."""
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        suggestion = did_you_mean(options[0], self._option_string_actions) if options else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{suggestion}")
