"""What does one suggestion of a sampler cost the driver, as its study grows?

    python -m benchmarks.suggestions [--held 100 500 2000 10000]

A study holds made-up trials of three parameters and two objectives. Printed is the CPU time of one further suggestion
and of telling its result, in milliseconds: the mean over ``--repeats`` of them, so that what a sampler does once in a
generation is in it.
"""

import time

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from benchmarks.tools import parser, print_heads, print_row
from tune_ks.search.searcher import SAMPLERS

DRAWN = {
    "sampling_rate": FloatDistribution(0.01, 1.0),
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "mask_lr_multiplier": FloatDistribution(1.0, 100.0, log=True),
}
SHOWN = ("tpe", "nsga2", "gp")
MOST = {"gp": 500}  # beyond it one suggestion takes seconds


def filled_study(sampler: str, held: int, rng: np.random.Generator) -> optuna.Study:
    """A study of two objectives that holds ``held`` finished trials."""
    study = optuna.create_study(directions=["maximize"] * 2, sampler=SAMPLERS[sampler](seed=0))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(held):
        params = drawn.ask(DRAWN).params
        study.add_trial(create_trial(params=params, distributions=DRAWN, values=list(rng.random(2))))
    return study


def milliseconds(sampler: str, held: int, repeats: int) -> float:
    """CPU time of one suggestion and of telling its result."""
    rng = np.random.default_rng(0)
    study = filled_study(sampler, held, rng)
    started = time.process_time()
    for _ in range(repeats):
        study.tell(study.ask(DRAWN), list(rng.random(2)))
    return 1000 * (time.process_time() - started) / repeats


def main() -> None:
    """Print one row for each sampler."""
    arguments = parser(__doc__)
    arguments.add_argument("--held", type=int, nargs="+", default=[100, 500, 2000, 10_000], help="trials of the study")
    arguments.add_argument("--repeats", type=int, default=20)
    args = arguments.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_heads(["CPU ms", *(f"{held:,}" for held in args.held)])
    for sampler in SHOWN:
        asked = [held for held in args.held if held <= MOST.get(sampler, held)]
        cells = [f"{milliseconds(sampler, held, args.repeats):.1f}" for held in asked]
        print_row([sampler, *cells, *[""] * (len(args.held) - len(asked))])


if __name__ == "__main__":
    main()
