"""The tables of docs/, as Markdown, from finished run folders.

    python -m docs.tables TABLE RUN [RUN ...]

TABLE is one of:

    rates            results.md: every rate with all its seeds; differences to full sampling, to the low-pass at the
                     same rate, to the best yardstick on the same sampled images and to the best one-number baseline
                     (spaces real_patches and patches_alexnet)
    recipes          recipe.md: full sampling with several recipes, on source validation alone (space recipes)
    corruptions      families.md: chosen rate against full sampling on corrupted images, for a RUN that was analysed and
                     that `run_search.py evaluate RUN --data DIR --corruptions` has scored
    families         families_underfit.md: mask families minus the low-pass at the same rate (space mask_families)
    one_training     families_underfit.md: one conditional training against separate ones (space one_training)
    pretraining      families_underfit.md: from scratch, and pre-trained minus that (spaces screened, finetune)
    classifiers      families_underfit.md: classifiers minus AlexNet (spaces side_information, classifiers)
    reconstructions  families_underfit.md: reconstructions minus zero-filling, PSNR and SSIM (space reconstructions)
    hyper_recon      families.md: one reconstruction for every loss mix against separate ones (space hyper_recon)
    members          families.md: one training for all rates, and a U-Net, minus separate trainings, with the recipe
                     that learns (space patches_members)
    networks         families.md: networks minus the AlexNet, with the recipe that learns (space patches_networks)
    qsm              families.md: R2 by rate for every network, from scratch and pre-trained, beside TKD on the same
                     sampled fields; then NRMSE, PSNR and SSIM (spaces qsm_pretrain, qsm_finetune)
    comparators      comparators.md: harmonisation, styles, MixStyle and masks minus plain full sampling, and the
                     transfer loss (space comparators)
    segmentation     families_underfit.md: Dice by rate, beside one mask for every image (space segmentation)
    classical        families.md: what classical methods reach at each rate (space classical, or any RUN whose records
                     hold yardsticks), and where they answer instead of a network, the one that validation chooses
    detection        families.md: LROC by rate, beside the best fixed position, and the sensitivity at one
                     false positive an image (space detection)
    lv_scar          families.md: Dice of the scar by rate, views and stages, beside one mask for every volume, with the
                     errors of volume and surface (space lv_scar)

A cell "0.8 / 0.7" is the test metric in-domain / cross-domain; several in one cell are the seeds. "±" is the standard
error of a mean over the pairs that were averaged: it holds the scatter of trainings, not that of patients. Brackets are
90 % intervals over patients and trainings (analysis/statistics/estimate.py); bold where 0 lies outside.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pandas as pd
from scipy.stats import spearmanr

from analysis.choice.options import Options
from analysis.choice.rules.epsilon import EPSILON
from analysis.read.configurations import FULL, average_over_seeds
from analysis.read.load import Run, config_fields, load
from analysis.report.sections.image_quality import comparisons
from analysis.results.comparators import comparator_of, comparators, name_of, sampling_of
from analysis.results.comparators import lines as lines_of
from analysis.results.compute import compute
from analysis.results.robustness import load_corruptions, verdict
from analysis.results.versus_lowpass import versus_lowpass
from analysis.results.yardsticks import best_yardsticks, noise_of, plain, reached_by, yardstick_draws
from analysis.statistics.baselines import baseline_draws, baselines, best, held_out_images
from analysis.statistics.bootstrap import DRAWS, TrialDraws
from analysis.statistics.estimate import Estimate, estimate
from analysis.statistics.resampling import domain_draws, trial_draws
from analysis.statistics.training_noise import seeds_of
from tune_ks.core.config import UNIFORM
from tune_ks.core.domains import mean_of_others
from tune_ks.core.metrics import METRICS, sensitivity_at
from tune_ks.core.rate_words import rate_words
from tune_ks.core.record import BEST_POSITION, ONE_FIXED_MASK, TrialRecord, mean_of_defined

DOMAINS = ("in_domain", "cross_domain")
SCORES = ["test_in_domain", "test_cross_domain"]
Draws = dict[str, TrialDraws]  # key of a trial -> (split, vendor) -> resampled metric
VOLUME_MEASURES = {  # in a record's quality -> head
    "volume_avd_ml": "AVD, ml",
    "volume_hd_mm": "HD, mm",
    "volume_empty": "no scar predicted",
    "volume_organ_dice": "Dice of the wall",
}
TKD = "tkd_0.2"  # the yardstick of maps
MAP_QUALITY = ("map_nrmse", "map_psnr", "map_ssim")
CONDITIONAL = {"alexnet": "rate not given", "alexnet_film": "FiLM", "alexnet_hyper": "hypernetwork"}


class Table(NamedTuple):
    """One table of Markdown: ``title`` above it and ``note`` below it may be empty."""

    heads: list[str]
    rows: list[list[str]]
    title: str = ""
    note: str = ""

    def __str__(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        return "\n\n".join(filter(None, [self.title, table, self.note]))


# ------------------------------------------------------------------------------------------------ cells


def rate_name(rate: float) -> str:
    """0.25 -> "16/64"."""
    return f"{rate * 64:g}/64"


def pair(in_domain: float, cross_domain: float, form: str = ".3f") -> str:
    """In-domain / cross-domain."""
    return f"{in_domain:{form}} / {cross_domain:{form}}"


def option(run: Run, trials: pd.DataFrame, name: str, default: float | str = 0) -> list[float | str]:
    """The value of a member's option in each trial; its ``default`` where it is not given."""
    return [run.records[key].config.options.get(name, default) for key in trials["key"]]


def cells_by_rate(trials: pd.DataFrame, rates: list[float], form: str = ".3f") -> list[str]:
    """One cell for each rate, with every seed of it; ``trials`` has the columns sampling_rate, seed and SCORES."""
    cells = []
    for rate in rates:
        at_rate = trials[trials["sampling_rate"] == rate].sort_values("seed")
        cells.append(", ".join(pair(*scores, form) for scores in at_rate[SCORES].to_numpy()))
    return cells


def mean_and_error(values: pd.Series, form: str = "+.3f") -> str:
    """Mean ± its standard error."""
    return f"{values.mean():{form}} ± {values.sem():.3f}"


def with_interval(known: Estimate | None, form: str = ".3f", difference: bool = False) -> str:
    """Value [low, high]; a difference is bold where 0 lies outside. Empty where there is none."""
    if known is None:
        return ""
    low, high = known.interval()
    text = f"{known.point:{form}} [{low:{form}}, {high:{form}}]"
    return f"**{text}**" if difference and (low > 0 or high < 0) else text


def differences(keys: list[str], others: list[str], draws: Draws, vendor: str) -> list[str]:
    """Trials minus other trials on the same patients, in-domain and cross-domain; empty cells without either."""
    cells = []
    for domain in DOMAINS:
        mine, theirs = (seeds_of(side, draws, vendor, "test", domain) for side in (keys, others))
        cells.append(with_interval(estimate(mine, theirs), "+.3f", difference=True) if mine and theirs else "")
    return cells


def versus_low_pass(run: Run, draws: Draws) -> pd.DataFrame:
    """Every mask family minus the low-pass at equal rate, by domain, as in the report: versus_lowpass.COLUMNS."""
    configurations = average_over_seeds(run.trials)
    return versus_lowpass(configurations, draws, noise_of(configurations, draws)).rows


def against_low_pass(versus: pd.DataFrame, vendor: str, mask: str, rate: float) -> list[str]:
    """Of one family and rate, in-domain and cross-domain; empty for the low-pass itself and where it is absent."""
    rows = versus[(versus["vendor"] == vendor) & (versus["family"] == mask) & (versus["sampling_rate"] == rate)]
    cells = []
    for domain in DOMAINS:
        of_domain = rows[rows["domain"] == domain]
        cells.append(signed(of_domain.iloc[0]) if len(of_domain) else "")
    return cells


def signed(row: pd.Series) -> str:
    """A difference [low, high], bold where 0 lies outside."""
    text = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text


def distances(keys: list[str], fixed: TrialDraws, draws: Draws, vendor: str) -> list[str]:
    """Trials minus a score that no training moves, in-domain and cross-domain; empty cells without either."""
    cells = []
    for domain in DOMAINS:
        mine = seeds_of(keys, draws, vendor, "test", domain)
        other = domain_draws(fixed, vendor, "test", domain)
        known = estimate([seed - other for seed in mine]) if mine and other is not None else None
        cells.append(with_interval(known, "+.3f", difference=True))
    return cells


# ------------------------------------------------------------------------------------------------ tables


def rates(run: Run) -> list[Table]:
    """Every rate and mask of the space real_patches, and the one-number baselines."""
    draws = trial_draws(run, DRAWS)
    versus = versus_low_pass(run, draws)
    numbers = baselines(run.cohort, DRAWS)
    best_number = _best_number(run.cohort, numbers)
    by_yardstick = yardstick_draws(run)
    scores = []
    gains = []
    for vendor, of_vendor in run.trials.groupby("vendor"):
        keys_of = {group: part["key"].tolist() for group, part in of_vendor.groupby(["sampling_rate", "mask"])}
        full = of_vendor.loc[of_vendor["full"], "key"].tolist()
        for (rate, mask), part in of_vendor.groupby(["sampling_rate", "mask"]):
            keys = keys_of[rate, mask]
            about = [vendor, "full" if rate == 1 else mask, rate_name(rate)]
            best_yardstick = best_yardsticks(run, keys, by_yardstick)
            scores.append(about + _score_cells(part, draws, vendor))
            gains.append(
                about
                + differences(keys, [] if rate == 1 else full, draws, vendor)
                + against_low_pass(versus, vendor, mask, rate)
                + distances(keys, {role: reached.draws for role, reached in best_yardstick.items()}, draws, vendor)
                + distances(keys, best_number, draws, vendor)
            )
    about = ["trained on", "mask", "rate"]
    heads = [*about, "in-domain AUC", "seeds", "cross-domain AUC", "seeds"]
    others = ("full", "low-pass", "yardstick", "baseline")
    against_heads = [f"{domain} - {other}" for other in others for domain in ("in", "cross")]
    return [Table(heads, scores), Table([*about, *against_heads], gains), _baseline_table(numbers)]


def _score_cells(trials: pd.DataFrame, draws: Draws, vendor: str) -> list[str]:
    """For either domain the mean over seeds with its interval, and every seed."""
    cells = []
    for domain in DOMAINS:
        mine = seeds_of(trials["key"].tolist(), draws, vendor, "test", domain)
        cells.append(with_interval(estimate(mine) if mine else None))
        cells.append(" ".join(f"{value:.3f}" for value in trials[f"test_{domain}"]))
    return cells


def _best_number(cohort: pd.DataFrame, numbers: pd.DataFrame) -> TrialDraws:
    """The best one-number baseline of each test vendor, resampled."""
    drawn: TrialDraws = {}
    for vendor, images in held_out_images(cohort):
        name = best(numbers, vendor)["baseline"]
        drawn["test", vendor] = baseline_draws(images, vendor, name, DRAWS)
    return drawn


def _baseline_table(numbers: pd.DataFrame) -> Table:
    rows = []
    for row in numbers.itertuples():
        value = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        rows.append([row.vendor, f"{row.baseline} ({row.direction})", value, f"{row.images}", f"{row.patients}"])
    return Table(["test vendor", "one-number baseline", "AUC", "images", "patients"], rows)


def recipes(run: Run) -> list[Table]:
    """The validation AUC of the source vendor at full sampling, one row a recipe: no test label is read."""
    settings = config_fields(run.trials)
    shown = [name for name in settings if name not in ("vendor", "seed") and run.trials[name].nunique() > 1]
    rows = []
    for _, part in run.trials.groupby(shown, dropna=False, sort=False):
        of_vendor = part.set_index("vendor")["val_in_domain"]
        values = [f"{value}" for value in part[shown].iloc[0]]
        rows.append([*values, *(f"{of_vendor[vendor]:.3f}" for vendor in sorted(of_vendor.index))])
    vendors = sorted(run.trials["vendor"].unique())
    return [Table([*shown, *(f"{vendor} validation AUC" for vendor in vendors)], rows)]


def corruptions(run: Run) -> list[Table]:
    """The rate that `epsilon` chooses against full sampling: AUC of clean images, and mean over five severities."""
    analysis, tables = compute(run, "epsilon", Options()), []
    heads = ["corruption", "domain", "low rate, clean / corrupted", "full, clean / corrupted", "full loses more by"]
    for _, vendor, compared in comparisons(analysis, load_corruptions(run.root)[0]):
        if compared is None:
            continue
        rows = []
        for row in compared.table.to_dict("records"):
            more = f"{row['loses less by']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            rows.append(
                [
                    row["corruption"].replace("_", " "),
                    row["domain"].replace("_", "-"),
                    pair(row["chosen, clean"], row["chosen, corrupted"]),
                    pair(row["full, clean"], row["full, corrupted"]),
                    f"**{more}**" if row["low"] > 0 or row["high"] < 0 else more,
                ]
            )
        title = f"Trained on {vendor}: rate {rate_words(compared.rate)} against full sampling"
        tables.append(Table(heads, rows, title, verdict(compared)))
    return tables


def families(run: Run) -> list[Table]:
    """Mean over seeds at each rate, and the mean over rates of the difference to the low-pass."""
    below = run.trials[~run.trials["full"]]
    every_rate = sorted(below["sampling_rate"].unique())
    versus = versus_low_pass(run, trial_draws(run, DRAWS)).groupby(["vendor", "family", "domain"])["difference"]
    rows = []
    for vendor, of_vendor in below.groupby("vendor"):
        means = {mask: part.groupby("sampling_rate")[SCORES].mean() for mask, part in of_vendor.groupby("mask")}
        for mask, mean in means.items():
            cells = [pair(*scores) for scores in mean.loc[every_rate].to_numpy()]
            gains = [] if mask == "lowpass" else [versus.get_group((vendor, mask, domain)) for domain in DOMAINS]
            gained = " / ".join(mean_and_error(gain) for gain in gains)
            rows.append([vendor, mask, *cells, gained])
    heads = ["trained on", "mask", *map(rate_name, every_rate), "minus low-pass, in / cross"]
    full = run.trials[run.trials["full"]].groupby("vendor")[SCORES].mean()
    notes = [f"{vendor}, full sampling: {pair(*scores)}" for vendor, scores in zip(full.index, full.to_numpy())]
    return [Table(heads, rows, note="\n\n".join(notes))]


def one_training(run: Run) -> list[Table]:
    """Conditional trainings against separate ones, and trainings that begin at rate 1 against those that do not."""
    trials = run.trials
    alone = trials[trials["rate_from"].isna() & trials["rate_start"].isna()]
    summary, curves = [], []
    every_rate = sorted(alone["sampling_rate"].unique())
    for vendor, part in alone.groupby("vendor"):
        separate = part.set_index("sampling_rate").sort_index()
        curves.append([vendor, "a training a rate", *cells_by_rate(part, every_rate)])
        for classifier, words in CONDITIONAL.items():
            chosen = (trials["vendor"] == vendor) & trials["rate_from"].notna() & (trials["classifier"] == classifier)
            together = trials[chosen].set_index("sampling_rate").sort_index()
            summary.append([vendor, words, *_agreement(together, separate)])
            curves.append([vendor, f"one training, {words}", *cells_by_rate(trials[chosen], every_rate)])
    about = ["trained on", "one training"]
    compared = ["mean abs. difference in / cross", "signed in / cross", "rank agreement in / cross"]
    heads = [*about, *compared, "chosen, alone / one training", "cost"]
    curve_heads = ["trained on", "", *map(rate_name, every_rate)]
    return [Table(heads, summary), Table(curve_heads, curves), _dense_starts(trials, alone)]


def _agreement(together: pd.DataFrame, separate: pd.DataFrame) -> list[str]:
    """How near the rates of one conditional training are to separate trainings; both are indexed by the rate."""
    gaps = [together[score] - separate[score] for score in SCORES]
    ranks = [spearmanr(together[score], separate[score]).statistic for score in SCORES]
    cost = together["seconds"].sum() / separate["seconds"].sum()
    return [
        pair(*(gap.abs().mean() for gap in gaps)),
        pair(*(gap.mean() for gap in gaps), "+.3f"),
        pair(*ranks, ".2f"),
        pair(_smallest_within_epsilon(separate), _smallest_within_epsilon(together), ".3g"),
        f"{cost:.2f}",
    ]


def _smallest_within_epsilon(table: pd.DataFrame) -> float:
    """The smallest rate whose in-domain validation AUC is within EPSILON of the best."""
    val = table["val_in_domain"]
    return float(val[val >= val.max() - EPSILON.default].index.min())


def _dense_starts(trials: pd.DataFrame, alone: pd.DataFrame) -> Table:
    rows = []
    dense = trials[trials["rate_start"].notna()].sort_values(["vendor", "sampling_rate"])
    for row in dense.itertuples():
        same = alone[(alone["vendor"] == row.vendor) & (alone["sampling_rate"] == row.sampling_rate)]
        begins_there = pair(*same[SCORES].to_numpy()[0])
        begins_dense = pair(row.test_in_domain, row.test_cross_domain)
        rows.append([row.vendor, rate_name(row.sampling_rate), begins_there, begins_dense])
    return Table(["trained on", "rate", "starts at its rate, in / cross", "starts at 1, in / cross"], rows)


def pretraining(run: Run) -> list[Table]:
    """From scratch, and what each pre-trained training gains on that; paired by network, rate and seed."""
    trials = run.trials.assign(loss=run.trials["test_in_domain"] - run.trials["test_cross_domain"])
    every_rate, rows = sorted(trials["sampling_rate"].unique()), []
    for (vendor, network), part in trials.groupby(["vendor", "classifier"]):
        scratch = _by_pair(part[part["init_from"].isna()])
        rows.append([vendor, network, "from scratch", *_gain_cells(scratch, every_rate, ".3f")])
        for (slow, frozen), tuned in part[part["init_from"].notna()].groupby(["slow", "frozen"]):
            gains = (_by_pair(tuned) - scratch).dropna()
            rows.append([vendor, network, _what_learns(slow, frozen), *_gain_cells(gains, every_rate, "+.3f")])
    heads = ["trained on", "network", "begins, learns", *map(rate_name, every_rate), "mean", "loss"]
    return [Table(heads, rows)]


def _by_pair(trials: pd.DataFrame) -> pd.DataFrame:
    """SCORES and the cross-vendor loss, indexed by what pairs trainings: rate and seed."""
    return trials.set_index(["sampling_rate", "seed"])[[*SCORES, "loss"]].sort_index()


def _gain_cells(values: pd.DataFrame, every_rate: list[float], form: str) -> list[str]:
    both = " / ".join(mean_and_error(values[score], form) for score in SCORES)
    return [*cells_by_rate(values.reset_index(), every_rate, form), both, mean_and_error(values["loss"], form)]


def _what_learns(slow: str, frozen: str) -> str:
    parts = [f"{names} {how}" for names, how in ((slow, "slowly"), (frozen, "not")) if names]
    return "pre-trained, " + (", ".join(parts) or "all alike")


def classifiers(run: Run) -> list[Table]:
    """Every seed of every network, and means and differences to AlexNet, paired by rate and seed."""
    trials = run.trials.assign(loss=run.trials["test_in_domain"] - run.trials["test_cross_domain"])
    hidden = option(run, trials, "side_dropout")
    trials["network"] = [_with_hidden(name, share) for name, share in zip(trials["classifier"], hidden)]
    every_rate, seeds, means = sorted(trials["sampling_rate"].unique()), [], []
    for vendor, of_vendor in trials.groupby("vendor"):
        tables = {network: _by_pair(part) for network, part in of_vendor.groupby("network")}
        for network, table in tables.items():
            seeds.append([vendor, network, *cells_by_rate(table.reset_index(), every_rate)])
            gains = (table - tables["alexnet"]).dropna()
            gained = [mean_and_error(gains[column]) if network != "alexnet" else "" for column in gains]
            means.append([vendor, network, *(f"{mean:.3f}" for mean in table.mean()), *gained])
    names = ["in", "cross", "loss"]
    heads = ["trained on", "network", *names, *(f"{name} minus AlexNet's" for name in names)]
    return [Table(["trained on", "network", *map(rate_name, every_rate)], seeds), Table(heads, means)]


def _with_hidden(classifier: str, side_dropout: float) -> str:
    return f"{classifier}, {side_dropout:g} hidden" if side_dropout else classifier


def reconstructions(run: Run) -> list[Table]:
    """Test AUCs of every seed and what they gain on zero-filling; then PSNR and SSIM beside zero-filling's."""
    alone = option(run, run.trials, "reconstruction_epochs")
    names = [_with_epochs_alone(name, epochs) for name, epochs in zip(run.trials["reconstruction"], alone)]
    trials, draws, rows = run.trials.assign(network=names), trial_draws(run), []
    for (vendor, full, mask, rate), group in trials.groupby(["vendor", "full", "mask", "sampling_rate"]):
        networks = group.sort_values("seed").groupby("network")
        keys = {name: part["key"].tolist() for name, part in networks}
        for name, part in networks:
            about = [vendor, "full" if full else mask, rate_name(rate), "" if full else name]
            seeds = [", ".join(f"{value:.3f}" for value in part[score]) for score in SCORES]
            filled = [] if name == "zero_filled" else keys.get("zero_filled", [])
            rows.append([*about, *seeds, *differences(keys[name], filled, draws, vendor)])
    about = ["trained on", "mask", "rate", "reconstruction"]
    return [Table([*about, "in-domain", "cross-domain", "gains in", "gains cross"], rows), _quality(run, trials)]


def _quality(run: Run, trials: pd.DataFrame) -> Table:
    rows = []
    for row in trials.sort_values(["vendor", "mask", "sampling_rate", "network", "seed"]).itertuples():
        for vendor, quality in run.records[row.key].quality.items():
            about = [row.vendor, row.mask, rate_name(row.sampling_rate), row.network, f"{row.seed}", vendor]
            psnr = [quality.get(name, math.nan) for name in ("psnr", "psnr_zero_filled")]
            ssim = [quality.get(name, math.nan) for name in ("ssim", "ssim_zero_filled")]
            rows.append([*about, pair(*psnr, ".2f"), pair(*ssim)])
    about = ["trained on", "mask", "rate", "reconstruction", "seed", "test vendor"]
    return Table([*about, "PSNR / zero-filled", "SSIM / zero-filled"], rows)


def _with_epochs_alone(reconstruction: str, epochs: int) -> str:
    return f"{reconstruction}, first alone ({epochs} epochs)" if epochs else reconstruction


def hyper_recon(run: Run) -> list[Table]:
    """Every loss mix of one training and of separate ones; then the one training minus the separate ones, by seed."""
    mix, drawn = "loss_mix", "loss_mix_drawn"
    measures = {"PSNR": "psnr", "SSIM": "ssim"}
    trials = run.trials.assign(
        loss_mix=option(run, run.trials, mix, 0.5), loss_mix_drawn=option(run, run.trials, drawn, "fixed")
    )
    for words, name in measures.items():
        of_trials = [
            _in_and_cross(run.records[key].quality, name, run.records[key].config.vendor) for key in trials["key"]
        ]
        trials[[f"{words} in", f"{words} cross"]] = of_trials
    columns = ["PSNR in", "PSNR cross", "SSIM in", "SSIM cross", *SCORES]
    forms = [".2f", ".2f", *[".3f"] * 4]
    rows = []
    for (vendor, rate, how, value), part in trials.groupby(["vendor", "sampling_rate", drawn, mix]):
        trained = "one training" if how == UNIFORM else "separate"
        cells = []
        for column, form in zip(columns, forms, strict=True):
            cells.append(", ".join(f"{seed:{form}}" for seed in part.sort_values("seed")[column]))
        rows.append([vendor, rate_name(rate), trained, f"{value:g}", *cells])
    paired = trials.set_index(["vendor", "sampling_rate", mix, "seed"])
    gaps = paired.loc[paired[drawn] == UNIFORM, columns] - paired.loc[paired[drawn] != UNIFORM, columns]
    differences = []
    for (vendor, rate, value), part in gaps.dropna().groupby(level=[0, 1, 2]):
        differences.append([vendor, rate_name(rate), f"{value:g}", *(mean_and_error(part[name]) for name in columns)])
    heads = [*columns[:4], "AUC in", "AUC cross"]
    return [
        Table(["trained on", "rate", "trained", "lambda", *heads], rows),
        Table(["trained on", "rate", "lambda", *heads], differences, "One training minus separate ones"),
    ]


def _in_and_cross(quality: dict[str, dict[str, float]], name: str, vendor: str) -> tuple[float, float]:
    """A measure of the restored images of the vendor trained on, and its mean over the others."""
    by_vendor = {test_vendor: values[name] for test_vendor, values in quality.items()}
    return by_vendor[vendor], mean_of_others(by_vendor, vendor)


def members(run: Run) -> list[Table]:
    """Low-pass trainings at every rate; one training for all rates and a U-Net, and what they gain on those."""
    trials = run.trials[run.trials["mask"] == "lowpass"]
    together = trials["rate_from"].notna()
    reconstructed = trials["reconstruction"] != "zero_filled"
    words = pd.Series("a training a rate", trials.index)
    words = words.mask(together, "one training").mask(reconstructed, "U-Net")
    return [_against(trials.assign(words=words), "a training a rate", trial_draws(run, DRAWS))]


def networks(run: Run) -> list[Table]:
    """Low-pass trainings of every network, and what each gains on the AlexNet."""
    trials = run.trials[run.trials["mask"] == "lowpass"]
    hidden = option(run, trials, "side_dropout")
    words = [_with_hidden(name, share) for name, share in zip(trials["classifier"], hidden)]
    return [_against(trials.assign(words=words), "alexnet", trial_draws(run, DRAWS))]


def _against(trials: pd.DataFrame, reference: str, draws: Draws) -> Table:
    """AUCs of what the column ``words`` names, at rates where there are several, and their gains on ``reference``."""
    rows = []
    for (vendor, rate), part in trials.groupby(["vendor", "sampling_rate"]):
        keys = {name: group["key"].tolist() for name, group in part.groupby("words")}
        if len(keys) == 1:
            continue
        for name, group in part.groupby("words"):
            about = [vendor, rate_name(rate), name]
            others = [] if name == reference else keys.get(reference, [])
            rows.append([*about, *_score_cells(group, draws, vendor), *differences(keys[name], others, draws, vendor)])
    heads = ["trained on", "rate", "", "in-domain AUC", "seeds", "cross-domain AUC", "seeds", "gains in", "gains cross"]
    return Table(heads, rows)


def segmentation(run: Run) -> list[Table]:
    """Dice of every seed by rate, with and without an adversary, and that of one mask for every image."""
    weights = option(run, run.trials, "adversarial_weight")
    names = [_with_adversary(mask, weight) for mask, weight in zip(run.trials["mask"], weights)]
    trials, rows = run.trials.assign(network=names), []
    every_rate = sorted(trials["sampling_rate"].unique())
    for (vendor, network), part in trials.groupby(["vendor", "network"]):
        trivial = run.records[part["key"].iloc[0]].trivial[ONE_FIXED_MASK]
        one_mask = pair(trivial[vendor], mean_of_others(trivial, vendor))
        rows.append([vendor, network, *cells_by_rate(part, every_rate), one_mask])
    return [Table(["trained on", "mask", *map(rate_name, every_rate), "one mask for every image"], rows)]


def detection(run: Run) -> list[Table]:
    """LROC of every seed by rate beside the best fixed position's; the sensitivity at one false positive an image."""
    every_rate = sorted(run.trials["sampling_rate"].unique())
    at_one = run.trials.assign(**_further_columns(run, run.trials, sensitivity_at("1")))
    lroc, sensitivity = [], []
    for (vendor, mask), part in run.trials.groupby(["vendor", "mask"]):
        trivial = run.records[part["key"].iloc[0]].trivial[BEST_POSITION]
        fixed = pair(trivial[vendor], mean_of_others(trivial, vendor))
        lroc.append([vendor, mask, *cells_by_rate(part, every_rate), fixed])
        sensitivity.append([vendor, mask, *cells_by_rate(at_one.loc[part.index], every_rate)])
    heads = ["trained on", "mask", *map(rate_name, every_rate)]
    return [Table([*heads, "best fixed position"], lroc), Table(heads, sensitivity)]


def _further_columns(run: Run, part: pd.DataFrame, name: str) -> dict[str, list[float]]:
    """The test columns of the trials, of a further metric."""
    in_domain = []
    cross_domain = []
    for key in part["key"]:
        by_vendor = run.records[key].further[name]
        source = run.records[key].config.vendor
        in_domain.append(by_vendor[source])
        cross_domain.append(mean_of_others(by_vendor, source))
    return {"test_in_domain": in_domain, "test_cross_domain": cross_domain}


def lv_scar(run: Run) -> list[Table]:
    """Dice of every seed by rate, with fewer views or stages; and the measures beside it, means over seeds."""
    names = []
    for key in run.trials["key"]:
        config = run.records[key].config
        views = int(config.options.get("views", 3))
        stages = int(config.options.get("stages", 2))
        names.append(f"{config.mask}, {_counted(views, 'view')}, {_counted(stages, 'stage')}")
    trials = run.trials.assign(network=names)
    every_rate = sorted(trials["sampling_rate"].unique())
    rows, measured = [], []
    for (vendor, network), part in trials.groupby(["vendor", "network"]):
        trivial = run.records[part["key"].iloc[0]].trivial[ONE_FIXED_MASK]
        one_mask = pair(trivial[vendor], mean_of_others(trivial, vendor))
        rows.append([vendor, network, *cells_by_rate(part, every_rate), one_mask])
        for rate, of_rate in part.groupby("sampling_rate"):
            measured.append([vendor, network, rate_name(rate), *_volume_cells(run, of_rate["key"], vendor)])
    heads = ["trained on", "network", *map(rate_name, every_rate), "one mask for every volume"]
    return [Table(heads, rows), Table(["trained on", "network", "rate", *VOLUME_MEASURES.values()], measured)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _volume_cells(run: Run, keys: pd.Series, vendor: str) -> list[str]:
    """Every measure of volumes, in-domain / cross-domain: means over the trials that have it."""
    cells = []
    for name, words in VOLUME_MEASURES.items():
        by_vendor = pd.DataFrame([{v: q.get(name) for v, q in run.records[key].quality.items()} for key in keys])
        means = by_vendor.astype(float).mean()
        if means.isna().all():  # one stage has no organ
            cells.append("")
            continue
        digits = 2 if words.startswith("Dice") or words.startswith("no") else 1
        cells.append(f"{means[vendor]:.{digits}f} / {means.drop(vendor).mean():.{digits}f}")
    return cells


def qsm(run: Run) -> list[Table]:
    """R2 of every seed by rate for each network, beside TKD; then the quality of its maps by domain."""
    starts = ["scratch" if start is None else "pre-trained" for start in _starts(run)]
    names = [f"{network}, {start}" for network, start in zip(run.trials["classifier"], starts)]
    trials = run.trials.assign(network=names)
    every_rate = sorted(trials["sampling_rate"].unique())
    rows = []
    for vendor, of_vendor in trials.groupby("vendor"):
        for network, part in of_vendor.groupby("network"):
            rows.append([vendor, network, *cells_by_rate(part, every_rate)])
        rows.append([vendor, "TKD 0.2", *_of_tkd(run, of_vendor, every_rate)])
    tables = [Table(["trained on", "network", *map(rate_name, every_rate)], rows)]
    qualities = []
    for (vendor, network, rate), part in trials.groupby(["vendor", "network", "sampling_rate"]):
        records = [run.records[key] for key in part["key"]]
        for domain in sorted(records[0].quality):
            means = [fmean(record.quality[domain][name] for record in records) for name in MAP_QUALITY]
            numbers = [f"{value:.3f}" for value in means]
            qualities.append([vendor, network, rate_name(rate), domain, *numbers])
    heads = ["trained on", "network", "rate", "tested on", "NRMSE", "PSNR, dB", "SSIM"]
    return [*tables, Table(heads, qualities)]


def _starts(run: Run) -> list[str | None]:
    """The weights that every trial began from; None from scratch."""
    return [run.records[key].config.init_from for key in run.trials["key"]]


def _of_tkd(run: Run, trials: pd.DataFrame, rates: list[float]) -> list[str]:
    """A cell for each rate: R2 of TKD, which is the same for every network and seed."""
    cells = []
    for rate in rates:
        part = trials[trials["sampling_rate"] == rate]
        values = (run.records[part["key"].iloc[0]].yardsticks or {})[TKD]["test"] if len(part) else {}
        vendor = trials["vendor"].iloc[0]
        cells.append(pair(values[vendor], mean_of_others(values, vendor)) if values else "")
    return cells


def comparator_tables(run: Run) -> list[Table]:
    """A table a vendor trained on: every seed, differences to plain full sampling, and the transfer loss."""
    configurations = average_over_seeds(run.trials)
    draws = trial_draws(run)
    compared = comparators(configurations, draws, noise_of(configurations, draws))
    heads = ["setting", "every seed", "in-domain, minus plain", "cross-domain, minus plain", "loss", "loss, less by"]
    tables = []
    for vendor, of_vendor in configurations.groupby("vendor"):
        metrics = compared.rows[compared.rows["vendor"] == vendor]
        losses = compared.losses[compared.losses["trained on"] == vendor]
        rows = [_comparator_cells(run, row, metrics, losses) for row in of_vendor.to_dict("records")]
        rows.sort(key=lambda cells: (cells[0] != FULL, " with " in cells[0], "(R" in cells[0], cells[0]))
        tables.append(Table(heads, rows, f"Trained on {vendor}, test {METRICS[run.metric].title}"))
    note = "\n\n".join(lines_of(compared, METRICS[run.metric].title))
    return [*tables[:-1], tables[-1]._replace(note=note)]


def _comparator_cells(run: Run, row: dict, metrics: pd.DataFrame, losses: pd.DataFrame) -> list[str]:
    """The cells of one configuration; ``metrics`` and ``losses`` are those of its vendor."""
    setting = {"comparator": comparator_of(row), "sampling": sampling_of(row)}
    metrics, losses = (
        table[(table["comparator"] == setting["comparator"]) & (table["sampling"] == setting["sampling"])]
        for table in (metrics, losses)
    )
    records = [run.records[key] for key in row["keys"]]
    cells = [name_of(setting), ", ".join(pair(r.in_domain("test"), r.cross_domain("test")) for r in records)]
    for domain in DOMAINS:
        of_domain = metrics[metrics["domain"] == domain]
        cells.append(signed(of_domain.iloc[0]) if len(of_domain) else "")
    less = losses.assign(difference=losses["less"]).dropna(subset="less")
    cells.append(f"{losses['loss'].iloc[0]:+.3f}" if len(losses) else "")
    cells.append(signed(less.iloc[0]) if len(less) else "")
    return cells


def _with_adversary(mask: str, weight: float) -> str:
    return f"{mask}, adversary {weight:g}" if weight else mask


def classical(run: Run) -> list[Table]:
    """Of each mask and rate what every yardstick reaches, and what the trials without a network reach."""
    draws = trial_draws(run, DRAWS)
    answers = []
    reached = []
    names = sorted({name for record in run.records.values() for name in record.yardsticks or {}})
    for vendor, of_vendor in run.trials.groupby("vendor"):
        full = of_vendor.loc[of_vendor["full"], "key"].tolist()
        for (rate, mask), part in of_vendor.groupby(["sampling_rate", "mask"]):
            keys = part["key"].tolist()
            about = [vendor, "full" if rate == 1 else mask, rate_name(rate)]
            records = [run.records[key] for key in keys]
            reached.append(about + [_of_yardstick(records, name) for name in names])
            answered_by = [record.scored_by for record in records if record.scored_by]
            if answered_by:
                answer = [*about, ", ".join(map(plain, dict.fromkeys(answered_by)))]
                answer += _score_cells(part, draws, vendor)[::2]  # without the seeds: nothing is drawn at random
                answers.append(answer + differences(keys, [] if rate == 1 else full, draws, vendor))
    heads = ["trained on", "mask", "rate"]
    of_answers = [*heads, "answered by", "in-domain", "cross-domain", "in - full", "cross - full"]
    tables = [Table(of_answers, answers)] if answers else []
    return [*tables, Table([*heads, *map(plain, names)], reached)]


def _of_yardstick(records: list[TrialRecord], name: str) -> str:
    """The mean test metric over the trials that hold this yardstick, in-domain / cross-domain; "" where none does."""
    scores = [reached_by(record, name, "test") for record in records if name in (record.yardsticks or {})]
    if not scores:
        return ""
    in_domain = mean_of_defined(record.in_domain("test") for record in scores)
    return pair(in_domain, mean_of_defined(record.cross_domain("test") for record in scores))


TABLES: dict[str, Callable[[Run], list[Table]]] = {
    "rates": rates,
    "recipes": recipes,
    "corruptions": corruptions,
    "families": families,
    "one_training": one_training,
    "pretraining": pretraining,
    "classifiers": classifiers,
    "reconstructions": reconstructions,
    "hyper_recon": hyper_recon,
    "members": members,
    "networks": networks,
    "comparators": comparator_tables,
    "segmentation": segmentation,
    "classical": classical,
    "detection": detection,
    "lv_scar": lv_scar,
    "qsm": qsm,
}


def lines(table: str, folders: list[Path]) -> Iterator[str]:
    """The text of one kind of table, run by run."""
    for folder in folders:
        yield f"### {folder.name}"
        yield from map(str, TABLES[table](load(folder)))


def main() -> None:
    """Print the table of every run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    arguments = parser.parse_args()
    for text in lines(arguments.table, arguments.runs):
        print(f"\n{text}", flush=True)


if __name__ == "__main__":
    main()
