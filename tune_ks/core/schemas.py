"""What each JSON file of a run folder may hold: types and bounds of its fields, checked before other code meets them.

Every field may be absent, as in files of older versions, and fields that are not named here pass: who uses a field says
what is missing.
"""

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tune_ks.core.plain_json import WHOLE
from tune_ks.core.printable import shown

VENDORS = 100  # of a record: a cohort has a few makers
LONGEST = 100_000  # epochs of a history, and images sizes, seeds and spaces of a search
ABSENT: Any = None  # a default that pydantic does not check: the field may be absent, but not null

Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(allow_inf_nan=True)]  # null, which means "not measured", is read as NaN elsewhere
Values = Annotated[dict[str, Number | None], Field(max_length=VENDORS)]  # by vendor
Line = Annotated[dict[str, Number | None], Field(max_length=10 * VENDORS)]  # of a history
Pair = Annotated[list[Count], Field(min_length=2, max_length=2)]  # patients with an image of each class
Things = dict[str, Any]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Spaces(_Checked):
    """The fields of search.json that name a space; also those of each entry of ``earlier``."""

    space: str | None = None
    question: str | None = None
    space_fingerprint: str | None = None
    search: Things | None = None
    command: str | None = None


class _Cohort(_Checked):
    fingerprint: str | None = None
    fingerprint_2: str | None = None
    fingerprint_format: Count = ABSENT
    settings: Things = ABSENT
    synthetic: bool | None = None
    layout: str | None = None
    counts: Annotated[list[dict[str, str | Number | None]], Field(max_length=LONGEST)] = ABSENT


class _StartPoint(_Checked):
    sampling_rate: Annotated[float, Field(gt=0, le=1)]
    why: str


class _Finalist(_Checked):
    """A config without a seed; ``init_from``: seed -> KEY@HASH."""

    init_from: dict[Annotated[str, Field(pattern=r"^\d{1,18}$")], str] | None = None


class _Finalists(_Checked):
    rule: str | None = None
    epsilon: Number | None = None
    from_scratch: bool | None = None
    configs: Annotated[list[_Finalist], Field(max_length=LONGEST)]


class Search(_Spaces):
    """search.json."""

    split_seed: Annotated[int, Field(ge=-WHOLE, lt=WHOLE)] | None = None
    start_points: Annotated[list[_StartPoint], Field(max_length=LONGEST)] = ABSENT
    cohort: _Cohort = ABSENT
    versions: dict[str, str | None] = ABSENT
    init_from: dict[str, dict[str, str]] = ABSENT
    finalists: _Finalists = ABSENT
    trials: Count = ABSENT
    earlier: Annotated[list[_Spaces], Field(max_length=LONGEST)] = ABSENT
    tuned_minutes: Number = ABSENT


class Record(_Checked):
    """record.json."""

    config: Things = ABSENT
    val: Values = ABSENT
    test: Values = ABSENT
    val_over_draws: Values = ABSENT
    val_within: Values = ABSENT
    test_within: Values = ABSENT
    trivial: Values | dict[str, Values] = ABSENT  # the first form is of version 0.2.0 and older
    further: Annotated[dict[str, Values], Field(max_length=VENDORS)] = ABSENT
    quality: Annotated[dict[str, Values], Field(max_length=VENDORS)] = ABSENT
    yardsticks: dict[str, dict[str, Values]] | None = None
    realised_rate: Number | None = None
    mean_probability: Number | None = None
    distinct_rate: Number | None = None
    metric: str = ABSENT
    epoch: Count | None = None
    history: Annotated[list[Line], Field(max_length=LONGEST)] = ABSENT
    seconds: Number | None = None
    facts: Things = ABSENT
    images: Annotated[dict[str, Count], Field(max_length=3 * VENDORS)] = ABSENT
    patients: Annotated[dict[str, Pair], Field(max_length=3 * VENDORS)] | None = None
    options: dict[str, Things] | None = None
    mask_is_learned: bool | None = None


class Config(_Checked):
    """config.json."""

    start_point: str | None = None


class Failure(_Checked):
    """failure.json."""

    config: Things = ABSENT
    reason: str = ABSENT


class Stopped(_Checked):
    """stopped.json."""

    config: Things = ABSENT
    reason: str = ABSENT
    history: Annotated[list[Line], Field(max_length=LONGEST)] = ABSENT


class Attempts(_Checked):
    """attempts.json."""

    attempts: Annotated[list[Things], Field(max_length=LONGEST)] = ABSENT


class Lock(_Checked):
    """driver.lock."""

    host: str | None = None
    pid: Count | None = None
    token: str | None = None
    since: str | None = None
    beat: Count | str | None = None


class _Choice(_Checked):
    keys: Annotated[list[str], Field(max_length=LONGEST)] = ABSENT


class ChosenRates(_Checked):
    """selection.json."""

    choices: Annotated[list[_Choice], Field(max_length=LONGEST)] = ABSENT
    made_with: Things = ABSENT


SCHEMAS: dict[str, type[BaseModel]] = {
    "search.json": Search,
    "record.json": Record,
    "config.json": Config,
    "failure.json": Failure,
    "stopped.json": Stopped,
    "attempts.json": Attempts,
    "driver.lock": Lock,
    "selection.json": ChosenRates,
}


def require_schema(values: dict[str, Any], name: str) -> None:
    """ValueError that names the first field which the schema of the file ``name`` does not allow, and what came."""
    try:
        _schema(name).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place[:100]}: {first['msg'].lower()}, got {shown(first['input'])}") from None


@cache
def _schema(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(SCHEMAS[name])
