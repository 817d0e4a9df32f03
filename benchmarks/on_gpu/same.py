"""Is one step of every member the same on the GPU as on the CPU? Loss and gradients (benchmarks/same_step.py)."""

import argparse

from benchmarks import same_step
from benchmarks.on_gpu.common import first_line
from benchmarks.tools import print_heads, print_row
from tune_ks.training.tasks import task_of


def run(args: argparse.Namespace) -> None:
    """One row a member. RuntimeError where one differs from the CPU by more than float32 explains."""
    splits = {masks: same_step.images(masks) for masks in (False, True)}
    print_heads(["member", "loss", "gradient of the mask", "of the network", "the same", "network in bfloat16"])
    differing = []
    for name, config in same_step.every_member():
        try:
            on = splits[task_of(config).reads_masks()]
            plain = same_step.stepped(config, on, "cpu")
            found = same_step.compared(plain, same_step.stepped(config, on, args.device))
            trained = found
            if args.device != "cpu":  # which computes everything in float32
                trained = same_step.compared(plain, same_step.stepped(config, on, args.device, bfloat16=True))
        except ModuleNotFoundError as error:
            print_row([name, "left out:", f"no {error.name}", "", "", ""])
            continue
        except Exception as error:  # the members after it are still to be seen
            print_row([name, "FAILED:", first_line(error), "", "NO", ""])
            differing.append(name)
            continue
        if not found.same:
            differing.append(name)
        cells = [f"{found.gradients[part]:.1e}" if part in found.gradients else "-" for part in ("mask", "network")]
        in_bfloat16 = f"{max(trained.gradients.values(), default=0.0):.1e}"
        print_row([name, f"{found.loss:.1e}", *cells, "yes" if found.same else "NO", in_bfloat16])
    if differing:
        raise RuntimeError(f"{len(differing)} members differ from the CPU: {', '.join(differing)}")
