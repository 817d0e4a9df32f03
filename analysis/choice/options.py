"""What a user may set: the options that the rules declare, by name."""

from analysis.choice.rules import RULES
from analysis.choice.rules.base import Option
from analysis.read.load import RunError
from analysis.statistics.measures import MEASURES, Measure


def declared() -> dict[str, Option]:
    """Name -> option, of all rules."""
    return {option.name: option for rule in RULES.values() for option in rule.options}


class Options:
    """The values of all rules' options, given flat as in ``Options(epsilon=0.03)``, and the metric of the run.

    An option that is not given has its default. RunError for an option that no rule has.
    """

    def __init__(self, measure: Measure = MEASURES["auc"], **given: float) -> None:
        known = declared()
        unknown = [name for name in given if name not in known]
        if unknown:
            raise RunError(f"no rule has the option {unknown[0]!r}; the rules' options are {', '.join(known)}")
        self.measure = measure
        self.values = {name: given.get(name, option.default) for name, option in known.items()}

    @property
    def tolerance(self) -> float:
        """The loss that the probability "full sampling is not better by more than ..." is about."""
        return self.values["tolerance"]

    @property
    def margin(self) -> float:
        """The loss that a proof excludes; every analysis has one, whichever rule was asked for."""
        return self.values["margin"]

    def of(self, measure: Measure) -> "Options":
        """The same values for a run of this metric."""
        return Options(measure, **self.values)

    def check(self) -> None:
        """RunError for a value out of its option's range."""
        for name, option in declared().items():
            value = self.values[name]
            if not option.low <= value <= option.high:
                raise RunError(f"{name} is {option.is_a} and must be in [{option.low:g}, {option.high:g}], got {value}")
