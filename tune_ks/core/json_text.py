"""The JSON files of a run folder, each checked by the schema of its name."""

from typing import Any

from tune_ks.core.plain_json import plain_json

CHECKED = (  # the files of a run folder that have a schema
    *("search.json", "record.json", "config.json", "failure.json", "stopped.json", "attempts.json"),
    *("driver.lock", "selection.json"),
)


def parse_json(text: str | bytes, name: str = "") -> dict[str, Any]:
    """Read one JSON object, checked by the schema of the file ``name``.

    ValueError when it is no whole JSON object (``plain_json``) or holds a value that the schema does not allow.
    """
    values = plain_json(text)
    if name in CHECKED:
        from tune_ks.core.schemas import require_schema  # pydantic, which a training alone does not need

        require_schema(values, name)
    return values
