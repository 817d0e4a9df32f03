"""What the user sees while recipes are compared: one line that is redrawn on a terminal, lines in a log file."""

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tune_ks.commands import ticker
from tune_ks.commands.progress import SPOKEN
from tune_ks.commands.stages import duration
from tune_ks.commands.tuning_words import best_so_far, rate_name
from tune_ks.core.config import TrialConfig
from tune_ks.planning.candidates import Candidates, recipe_key
from tune_ks.search.event import Event


class TuningProgress:
    """How many trainings have ended, how much time is left, and the best recipe so far."""

    def __init__(self, console: Console, candidates: Candidates) -> None:
        self.console = console
        self.candidates = candidates
        self.tournament: Any = None
        self.ended = 0
        self.running: dict[str, TrialConfig] = {}
        self.spoken = time.monotonic()
        self.live = Live(self, console=console, refresh_per_second=2, transient=True)
        self.ticker = ticker.Ticker(self.say_state)

    def __enter__(self) -> "TuningProgress":
        return self

    def __exit__(self, *failure: object) -> None:
        self.live.stop()
        self.ticker.stop()

    def begin(self, tournament: Any) -> None:
        """Read the state of this tournament from now on."""
        self.tournament = tournament
        if self.console.is_terminal:
            self.live.start()
        else:
            self.ticker.start()

    def show(self, event: Event) -> None:
        config = event.configs[0]
        if event.kind in ("started", "epoch"):
            self.running[event.job] = config
        else:
            self.running.pop(event.job, None)
        if event.kind in ("finished", "failed"):
            self.ended += 1
        if not self.console.is_terminal:
            self._say(config, event)

    def headline(self) -> str:
        """5 trainings ended, 2 running; recipes tried: 3, compared after 8 and 24 epochs; 1 min 20 s of 8 min 00 s."""
        budget = self.tournament.budget
        used = budget.used
        parts = [f"{self.ended} trainings ended, {len(self.running)} running"]
        rungs = self.tournament.rungs
        if rungs:
            recipes = len(self.tournament.contestants)
            parts.append(f"recipes tried: {recipes}, compared after {' and '.join(map(str, rungs))} epochs")
        parts.append(f"{duration(used)} of {duration(budget.seconds)}, ETA {duration(max(0.0, budget.seconds - used))}")
        for epochs in reversed(rungs):
            best = best_so_far(self.tournament.board.ranked(epochs), self.candidates)
            if best:
                parts.append(f"{best} (epoch {epochs})")
                break
        return "; ".join(parts)

    def say_state(self) -> None:
        """Print the headline, unless a line came less than a minute ago."""
        now = time.monotonic()
        if now - self.spoken >= ticker.PAUSE:
            self.spoken = now
            self.console.print(self.headline(), soft_wrap=True, markup=False)

    def _say(self, config: TrialConfig, event: Event) -> None:
        reason = event.result.get("failed") or (event.kind == "lost" and event.result.get("lost"))
        if event.kind in ("finished", "failed") and (reason or self.ended <= SPOKEN):
            self.spoken = time.monotonic()
            line = f"{self.headline()} | {self._name(config)}"
            self.console.print(f"{line}: {reason}" if reason else line, soft_wrap=True, markup=False)
        self.say_state()

    def _name(self, config: TrialConfig) -> str:
        recipe = self.tournament.board.recipes.get(recipe_key(config), self.candidates.default)
        rate = rate_name(config.sampling_rate)
        seed = f", seed {config.seed}" if config.seed else ""
        return f"{config.vendor} {rate}, {config.epochs} epochs{seed}: {self.candidates.differences(recipe)}"

    def __rich__(self) -> Text:
        return Text(self.headline(), overflow="ellipsis", no_wrap=True)
