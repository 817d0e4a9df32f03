"""As many trials at once as the cluster has room for, counted again while a search runs: nodes may join it."""

import time
from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.search import ConcurrencyLimiter

COUNT_EVERY = 10.0  # seconds; a count is one request to Ray's first process


class Room(tune.Callback):
    """Raises the limit of trials at once when nodes have joined; ``count`` says how many trials fit now.

    It never lowers the limit: trials of a node that is gone wait, and trials that wait are what an autoscaler sees.
    """

    def __init__(self, limiter: ConcurrencyLimiter, count: Callable[[], int]) -> None:
        self.limiter = limiter
        self.count = count
        self.counted = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Ray pickles its callbacks into a state that nobody reads

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        now = time.monotonic()
        if now - self.counted >= COUNT_EVERY:
            self.counted = now
            self.limiter.max_concurrent = max(self.limiter.max_concurrent, self.count())
