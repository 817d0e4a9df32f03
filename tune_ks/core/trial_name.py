"""A trial's name for a reader, "GE gumbel 16/64 seed 0", beside its key, which no reader remembers."""

from tune_ks.core.record import TrialRecord


def trial_name(record: TrialRecord) -> str:
    """Source vendor, mask family, coefficients kept of all, seed. Trials that differ otherwise share a name.

    At full sampling no family is named, because nothing is masked. Where the record does not say how large the images
    are, the rate stands as a decimal number.
    """
    config = record.config
    side = record.facts.get("side")
    if isinstance(side, int) and side > 0:
        total = side if config.pattern == "lines" else side**2
        share = f"{round(config.sampling_rate * total)}/{total}"
    else:
        share = f"{config.sampling_rate:.4g}"
    family = "full" if config.is_full else config.mask
    return f"{config.vendor} {family} {share} seed {config.seed}"
