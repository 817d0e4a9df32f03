"""A methods paragraph for a paper, filled from the run: what was done, with which versions, after whom."""

import math
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from analysis.choice.rules import RULES
from analysis.read.configurations import families, plain_name
from analysis.read.trial_rows import config_fields
from analysis.results.compute import Analysis
from analysis.results.sentences import about_sampling, whose_labels
from analysis.results.yardsticks import has_network
from analysis.statistics.bootstrap import DRAWS, LEVEL
from tune_ks.core.domain_words import about_domains
from tune_ks.core.rate_words import rate_tick, rate_words

PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "moocore", "plotly")  # of the analysis
REFERENCES = {  # (config field, member) -> after whom
    ("mask", "gumbel"): "Jang et al., Categorical reparameterization with Gumbel-softmax, ICLR 2017",
    ("mask", "loupe"): "Bahadir et al., Deep-learning-based optimization of the under-sampling pattern in MRI, IEEE "
    "TCI 2020",
    ("mask", "loupe_straight_through"): "Bahadir et al., Deep-learning-based optimization of the under-sampling "
    "pattern in MRI, IEEE TCI 2020",
    ("mask", "dps"): "Huijben et al., Deep probabilistic subsampling for task-adaptive compressed sensing, ICLR 2020",
    ("mask", "variable_density"): "Lustig et al., Sparse MRI, Magn. Reson. Med. 2007",
    ("mask", "poisson_disc"): "Cook, Stochastic sampling in computer graphics, ACM Trans. Graph. 1986",
    ("transform", "cosine"): "Makhoul, A fast cosine transform in one and two dimensions, IEEE Trans. Acoust. 1980",
    ("classifier", "alexnet"): "Krizhevsky, arXiv:1404.5997",
    ("transform", "hadamard"): "Wang et al., MICCAI 2021",
    ("reconstruction", "unet"): "Zbontar et al., fastMRI, arXiv:1811.08839",
    ("reconstruction", "hqs_net"): "Wang et al., MLMIR 2020",
    ("classifier", "alexnet_film"): "Perez et al., FiLM, AAAI 2018",
    ("classifier", "alexnet_hyper"): "Wang et al., MELBA 2022",
    ("classifier", "alexnet_adaptive"): "Kang et al., NeurIPS 2017; Graf et al., ISMRM 2023",
    ("classifier", "resnet18"): "He et al., Deep residual learning, CVPR 2016",
    ("classifier", "densenet121"): "Huang et al., Densely connected convolutional networks, CVPR 2017",
    ("reconstruction", "hyper_recon"): "Wang et al., HyperRecon, MELBA 2022",
    ("classifier", "centernet"): "Zhou et al., Objects as points, arXiv:1904.07850; Popescu, Med. Phys. 2007",
    (
        "classifier",
        "cascade",
    ): "Zabihollahy et al., Segmentation of left ventricular scar, Med. Phys. 2020",
    ("classifier", "unet_adaptive"): "Graf et al., ISMRM 2023 and 2024",
    ("classifier", "unet"): "Ronneberger et al., U-Net, MICCAI 2015; Luc et al., arXiv:1611.08408",
}
YARDSTICKS = {  # name of a yardstick in records -> after whom
    "svm": "Cortes and Vapnik, Support-vector networks, Mach. Learn. 1995",
    "nearest_neighbours": "Cover and Hart, Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 1967",
    "random_forest": "Breiman, Random forests, Mach. Learn. 2001",
    "otsu": "Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 1979",
    "k_means": "Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 1982",
    "region_growing": "Adams and Bischof, Seeded region growing, IEEE Trans. PAMI 1994",
    "fwhm": "Amado et al., Accurate and objective infarct sizing, J. Am. Coll. Cardiol. 2004",
    "tkd_0.2": "Shmueli et al., Magnetic susceptibility mapping, Magn. Reson. Med. 2009",
    "strm": "Bondarenko et al., Standardizing the definition of hyperenhancement, J. Cardiovasc. Magn. Reson. 2005",
}
METHODS = (  # of the analysis itself
    "Gulrajani and Lopez-Paz, In search of lost domain generalization, ICLR 2021 (labels that a choice has seen)",
    "Obuchowski and Rockette, Commun. Stat. Simul. Comput. 1995 (errors of patients and of trainings)",
    "Satterthwaite, Biometrics 1946 (degrees of freedom)",
    "Rasmussen and Williams, Gaussian processes for machine learning, 2006 (curves of the metric by rate)",
    "Holm, Scand. J. Stat. 1979 (several comparisons)",
)
MOST = 12  # values of a field that are listed


def methods(analysis: Analysis) -> dict[str, str]:
    """methods.md, and methods.txt without its marks; {} without a finished trial."""
    if not analysis.vendors:
        return {}
    references = _references(analysis)
    parts = [_data(analysis), _models(analysis), _choice(analysis), _statistics(analysis), _software(analysis)]
    paragraphs = "\n\n".join(" ".join(sentences) for sentences in parts)
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(references, 1))
    markdown = f"# Methods\n\n{paragraphs}\n\n## References\n\n{listed}\n"
    return {"methods.md": markdown, "methods.txt": re.sub(r"^#+ ", "", markdown, flags=re.MULTILINE).replace("`", "")}


def _data(analysis: Analysis) -> list[str]:
    """The cohort, its split, and that it is made up where it is."""
    run = analysis.run
    about = run.search.get("cohort") or {}
    said = []
    if about.get("synthetic"):
        said.append("The cohort is synthetic (a phantom): the results are no evidence about patients.")
    cohort = run.cohort
    if len(cohort):
        word = analysis.measure.domains.one
        by_vendor = cohort.groupby("vendor")["patient_id"].nunique()
        named = ", ".join(f"{vendor} {count}" for vendor, count in by_vendor.items())
        said.append(f"The cohort holds {len(cohort)} images of {by_vendor.sum()} patients (by {word}: {named}).")
        splits = cohort.groupby(["split", "vendor"])["patient_id"].nunique()
        parts = [f"{vendor} {split} {splits[split, vendor]}" for split, vendor in splits.index]
        said.append(f"It was split by patient, never by image ({', '.join(parts)} patients).")
    settings = about.get("settings") or {}
    if settings:
        said.append(f"Images were read with {', '.join(f'{name} {value}' for name, value in settings.items())}.")
    if about_domain := about_domains(run.domain):
        said.append(about_domain)
    if about.get("fingerprint"):
        said.append(f"Fingerprint of the cohort: `{about['fingerprint']}`.")
    return said


def _models(analysis: Analysis) -> list[str]:
    """What was trained, at which rates, with which settings."""
    table = analysis.configurations
    trials = analysis.run.trials
    names = ", ".join(families(table)) or "none below full sampling"
    words = list(dict.fromkeys(rate_tick(rate) for rate in sorted(table["realised_rate"])))
    rates = ", ".join(words[:MOST])
    more = ", ..." if len(words) > MOST else ""
    constant, varied = _settings(trials)
    word = analysis.measure.domains.one
    said = [
        f"{_what_was_trained(analysis, word)} ({', '.join(analysis.vendors)}) and scored on it (in-domain) and on the "
        f"others (cross-domain), {len(trials)} trainings in all.",
        f"Mask families: {names}; realised sampling rates: {rates}{more}; seeds a configuration: "
        f"{table['seeds'].min()} to {table['seeds'].max()}.",
        f"Settings of all trainings: {constant}.",
    ]
    if varied:
        said.append(f"Settings that varied: {varied}.")
    return [*said, about_sampling(analysis.run.cohort)]


def _what_was_trained(analysis: Analysis, word: str) -> str:
    """A network behind its mask; in some trials or all of them only classical methods."""
    networks = [has_network([record]) for record in analysis.run.records.values()]
    if all(networks):
        return f"A mask over k-space and a classifier were trained together on one {word}"
    trials = "some trials" if any(networks) else "all trials"
    return (
        f"In {trials} no network was trained: behind a fixed mask over k-space the classical method answers that "
        f"validation images of the source {word} choose. Everything was fitted on one {word}"
    )


def _settings(trials: pd.DataFrame) -> tuple[str, str]:
    """Config fields with one value, and those with several, in words; values that mean nothing are left out."""
    constant: list[str] = []
    varied: list[str] = []
    for name in config_fields(trials):
        values = trials[name].dropna().unique().tolist()
        if name in ("vendor", "seed", "sampling_rate", "mask") or not values or values == [""]:
            continue
        words = f"{plain_name(name)} {', '.join(map(_short, values[:MOST]))}"
        (constant if len(values) == 1 else varied).append(words)
    return "; ".join(constant), "; ".join(varied)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _choice(analysis: Analysis) -> list[str]:
    """The rule, what it read, and what it chose."""
    rule = RULES[analysis.rule]
    used = "".join(f" ({name} {value:.3g})" for name, value in rule.used(analysis.options.values).items())
    said = [f"Rates were chosen by the rule {analysis.rule}{used}: {analysis.measure.words(rule.summary)}"]
    if any(computed.selection.read_fitted for computed in analysis.vendors.values()):
        said.append("The rule read the fitted mean of rates that lie on a curve of three rates or more.")
    for vendor, computed in analysis.vendors.items():
        selection = computed.selection
        rate = "no rate" if pd.isna(selection.rate) else f"rate {rate_words(selection.rate)}"
        said.append(f"{vendor}: {rate}. {whose_labels(selection, analysis.measure)}")
    return said


def _statistics(analysis: Analysis) -> list[str]:
    """How intervals and comparisons were made."""
    measure = analysis.measure
    title = measure.title
    of_title = f"the logit of {title}" if math.isfinite(measure.floor) else f"-log(1 - {title})"
    said = [
        f"{title} is given with {100 * LEVEL:.0f} % intervals over patients and, where known, trainings: patients, "
        f"never images, were resampled {DRAWS} times; the variance between seeds was added; Student's t with "
        f"Satterthwaite's degrees of freedom was taken on the {measure.scale}.",
        "Differences are paired: a draw holds the same patients for all models.",
        f"{title} against the rate was smoothed with a Gaussian process on log2 of the rate and {of_title}; "
        "full sampling is no point of it.",
    ]
    if len(analysis.versus_lowpass.means):
        said.append(
            "Each learned mask was compared with the low-pass of equal realised rate and equal settings on test "
            "patients, by rate and as the mean over rates; p values are two-sided and adjusted after Holm."
        )
    return said


def _software(analysis: Analysis) -> list[str]:
    """Versions of the search and of the analysis, and the command."""
    search = analysis.run.search
    said = []
    trained_with = search.get("versions") or {}
    if trained_with:
        said.append(f"Trained with {', '.join(f'{name} {value}' for name, value in trained_with.items())}.")
    said.append(f"Analysed with {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}.")
    if search.get("space"):
        said.append(f"Search space: `{search['space']}`.")
    return said


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _references(analysis: Analysis) -> list[str]:
    """After whom the members of this run and the statistics are; each once."""
    trials = analysis.run.trials
    named = [text for (field, member), text in REFERENCES.items() if (trials[field] == member).any()]
    held: set[str] = set()
    for record in analysis.run.records.values():
        held |= set(record.yardsticks or {})
    named += [text for name, text in YARDSTICKS.items() if name in held]
    return list(dict.fromkeys([*named, *METHODS]))
