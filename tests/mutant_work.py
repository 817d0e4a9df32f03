"""What a child does with a mutant: reads it as the project would, and says what came of it and its peak memory."""

import re
from pathlib import Path


def _peak_mib():
    """Of this process alone: ru_maxrss begins with the parent's."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def read_dicom(report, path):
    from tune_ks.data.dicom.reader import read_file
    from tune_ks.data.unusable import UnusableFile

    report(path)
    try:
        header, image, _ = read_file(path)
        assert image.shape == (header.height, header.width)
        return "image", _peak_mib()
    except UnusableFile as unusable:
        return unusable.reason, _peak_mib()


def read_folder(report, root):
    from tune_ks.data.layouts.detect import detect
    from tune_ks.data.layouts.sheets import InputError

    report(root)
    try:
        layout = detect(Path(root), labels_required=True)
        listing = layout.listing(None, True, layout.files())
        items = len(listing.items) + len(listing.skipped)
        return f"read {items} files", _peak_mib()
    except InputError as error:
        return str(error), _peak_mib()


SPACE = """
from ray import tune
SPACE = {"sampling_rate": %s, "temperature": 1.0, "width": 0.05, "image_size": 64, "epochs": 2}
SEARCH = %s
"""


READ_BY = {  # file -> what reads it; any other is read by all
    **dict.fromkeys(("mask.npy", "probability.npy", "preview.npz", "mask_history.npz", "candidates.npz"), ("show",)),
    **dict.fromkeys(("attempts.json", "checkpoint.pt"), ("resume",)),
    "model.safetensors": ("evaluate", "begin_from"),
    "skipped.csv": ("analyse_run",),
    "scores.npz": ("show", "analyse_run"),
}


def read_run(report, root, file=""):
    """action -> "read", or the one message that it ended in. Anything but a ValueError or an OSError is a fault."""
    root = Path(root)
    said = {}
    actions = READ_BY.get(file, ("show", "analyse_run", "resume", "evaluate", "begin_from", "export"))
    for action in (globals()[name] for name in actions):
        report(action.__name__)
        try:
            action(root)
            said[action.__name__] = "read"
        except (ValueError, OSError) as error:
            said[action.__name__] = f"{type(error).__name__}: {error}"
    return said, _peak_mib()


def show(root):
    from analysis.read import trial_arrays as images
    from analysis.read.load import load

    run = load(root)
    for key in run.records:
        images.image_scores(root, key, run.cohort)
        images.mask(root, key)
        images.probability(root, key)
        images.preview(root, key)
        images.candidates(root, key, run.cohort)


def analyse_run(root):
    from analysis import analyse

    analyse(root, report=False)


def resume(root):
    from tiny_space import WORK
    from tune_ks.core.run_folder import RunFolder
    from tune_ks.data.dataset import open_splits
    from tune_ks.planning.plan import plan_search
    from tune_ks.planning.space import load_space
    from tune_ks.search.searcher import JobSearcher
    from tune_ks.worker.attempts import read_attempts
    from tune_ks.worker.checkpoints import load_checkpoint

    folder = RunFolder(root)
    folder.read_search()
    for name, rate, search in (
        ("grid", "[0.25, 1.0]", {}),
        ("drawn", "tune.uniform(0.2, 1.0)", {"sampler": "tpe", "samples": 8}),
    ):
        file = root.parent / f"{name}.py"
        file.write_text(SPACE % (rate, search))
        space = load_space(str(file))
        plan = plan_search(space, folder, ["GE", "SIEMENS"])
        JobSearcher(plan, space, folder, ["GE", "SIEMENS"], WORK)
    for key in folder.keys():
        read_attempts(folder, key)
        assert isinstance(load_checkpoint(folder.trial(key, "checkpoint.pt")), dict)
    open_splits(folder.cohort_csv, root.parent / "images.npy", "GE")


def evaluate(root):
    from tune_ks.commands.evaluate import chosen_keys
    from tune_ks.core.run_folder import RunFolder
    from tune_ks.evaluation.other_cohort import load_model

    folder = RunFolder(root)
    for key in chosen_keys(folder, every=False):
        load_model(folder, folder.read_record(key))


def begin_from(root):
    from tune_ks.core.config import TrialConfig
    from tune_ks.core.run_folder import RunFolder
    from tune_ks.planning.pretrained import Pretrained, require_unchanged
    from tune_ks.training.transfer import read_weights

    folder = RunFolder(root)
    wanted = TrialConfig("GE", 1.0, temperature=1.0, width=0.05, image_size=64)
    require_unchanged(folder, "runs/pretrain", {})
    Pretrained(str(root)).choose(wanted)
    for path in sorted((root / "weights").iterdir()):
        read_weights(folder, path.name).question()


def export(root):
    from tune_ks.commands.exports import export_run
    from tune_ks.core.run_folder import RunFolder

    export_run(RunFolder(root))
