"""Export: one trained model with its mask, for people who have torch and not this program."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from tune_ks.commands.evaluate import chosen_keys
from tune_ks.commands.output import OK, console, require_folder, require_reachable, say
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.trial_name import trial_name


def export_command(args: argparse.Namespace) -> int:
    """Write the folder of one model, whole or not at all, and say how it is run."""
    from tune_ks.commands.stages import Stages
    from tune_ks.core.cut_short import require_whole_table
    from tune_ks.data.whole_folder import whole_folder
    from tune_ks.evaluation.bundle import write_bundle
    from tune_ks.evaluation.decisions import NOTICE
    from tune_ks.evaluation.exported_model import require_onnx

    require_reachable(args.run)
    folder = RunFolder(args.run)
    folder.require_own_folders()
    key = only_key(folder, args.key)
    require_whole_table(folder)
    record = folder.read_record(key)
    if args.onnx:
        require_onnx(record.config)
    require_new(args.into)
    stages = Stages(console)
    with stages.stage("exporting"), whole_folder(args.into, lambda: False) as scratch:
        write_bundle(folder, record, scratch, choice_of(folder, key), args.onnx)
    say(f"wrote {args.into}: {trial_name(record)} ({key})")
    for path in sorted(args.into.rglob("*")):
        if path.is_file():
            say(f"  {path.relative_to(args.into)}")
    say(NOTICE)
    say(f"next, with torch alone:\n  python {shlex.quote(str(args.into / 'load_exported.py'))} SERIES.npy")
    return OK


def only_key(folder: RunFolder, key: str | None) -> str:
    """The trial to export. ValueError that lists the chosen ones where there are several and none is named."""
    keys = chosen_keys(folder, every=False, key=key, instead="--key KEY")
    if len(keys) == 1:
        return keys[0]
    if not keys:
        raise ValueError(f"no trial that {folder.root}/selection.json chose is finished: give --key KEY")
    lines = []
    for chosen in keys:
        record = folder.read_record(chosen)
        lines.append(f"  --key {chosen}   {trial_name(record)}, validation {record.in_domain('val'):.3f}")
    raise ValueError("several models were chosen (vendors, seeds): name one of them\n" + "\n".join(lines))


def choice_of(folder: RunFolder, key: str) -> dict[str, Any]:
    """The choice of selection.json that this trial is part of; {} where there is none."""
    path = folder.root / "selection.json"
    choices = read_json(path).get("choices", []) if path.exists() else []
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and key in (choice.get("keys") or []):
            return choice
    return {}


def require_new(target: Path) -> None:
    """ValueError where the folder to write is there and holds anything, or cannot be a folder."""
    require_folder("--into", target)
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"--into {target} is there already: give a new folder")
