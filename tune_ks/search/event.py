"""What happens to the jobs of a search, as those who show it are told. It needs no Ray."""

from typing import Any, NamedTuple

from tune_ks.core.config import TrialConfig


class Event(NamedTuple):
    """Something that happened to a job, for those who show the progress."""

    job: str  # name
    kind: str  # started | epoch | finished | stopped (early) | failed | lost (its process died; it is tried again)
    configs: list[TrialConfig]
    result: dict[str, Any]
