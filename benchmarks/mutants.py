"""What becomes of thousands of damaged files that the readers of DICOM, sheets and run folders meet?

    python -m benchmarks.mutants                  5,000 mutants, the table of docs/reliability.md
    python -m benchmarks.mutants --count 500 --seed 7

tests/data/test_fuzz.py draws its 280 mutants in the same way; the number of a mutant is its seed. Each is read in a
child process. Five outcomes are faults: the reader crashes; it raises an exception that is not its own; it is silent
for more than a minute; it refuses a file without naming it; or its message holds a value that identifies a patient.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mutant_files
from benchmarks import ROOT
from benchmarks.tools import parser, print_heads, print_row
from made_run import make_run

SHARES = {"DICOM": 0.65, "sheets": 0.3, "run folder": 0.05}
READ = {"DICOM": "image", "sheets": "read", "run folder": "read"}  # how a verdict begins where the mutant was read
HEADS = [
    *("files", "mutants", "read", "refused by name", "decoder crashed, named", "slowest", "peak memory", "faults"),
    "time",
]


def measure(count: int, seed: int) -> int:
    """Print a row for each kind, the most frequent reasons, and every fault; returns the number of faults."""
    print_heads(HEADS)
    faults: list[mutant_files.Verdict] = []
    for kind, share in SHARES.items():
        verdicts = print_kind(kind, round(share * count), seed)
        faults += [verdict for verdict in verdicts if verdict.fault]
        if kind == "DICOM":
            reasons = most_frequent(verdicts, kind)
    print("\nDICOM, by reason:", ", ".join(f"{reason} {number}" for reason, number in reasons))
    for fault in faults:
        print(f"FAULT {fault.kind} {fault.source}: {fault.fault}")
    return len(faults)


def print_kind(kind: str, count: int, seed: int) -> list[mutant_files.Verdict]:
    """Read ``count`` mutants and print their row of the table; returns their verdicts."""
    reader = mutant_files.Reader()
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        started = time.monotonic()
        verdicts = list(mutants_of(kind, Path(folder), count, seed, reader))
        seconds = time.monotonic() - started
    reader.close()
    read = sum(verdict.said.startswith(READ[kind]) for verdict in verdicts)
    crashed = sum(verdict.said == "the decoder crashed" for verdict in verdicts)
    faults = sum(bool(verdict.fault) for verdict in verdicts)
    slowest = max(verdict.seconds for verdict in verdicts)
    refused = count - read - crashed - faults
    cells = [kind, f"{count:,}", read, refused, crashed, f"{slowest:.1f} s", f"{reader.peak_mib} MiB", faults]
    print_row([*cells, f"{seconds:.0f} s"])
    return verdicts


def mutants_of(
    kind: str, place: Path, count: int, seed: int, reader: mutant_files.Reader
) -> Iterator[mutant_files.Verdict]:
    """The verdicts over ``count`` mutants of one kind."""
    if kind == "DICOM":
        return mutant_files.dicom_mutants(place, count, seed, reader)
    if kind == "sheets":
        return mutant_files.sheet_mutants(place, count, seed, reader)
    return mutant_files.run_mutants(make_run(place).root, count, seed, reader)


def most_frequent(verdicts: list[mutant_files.Verdict], kind: str) -> list[tuple[str, int]]:
    """The twelve most frequent reasons of refusals, without what stands in brackets or after a colon."""
    reasons: Counter[str] = Counter()
    for verdict in verdicts:
        if not verdict.said.startswith(READ[kind]):
            reasons[verdict.said.split("(")[0].split(":")[0].strip()] += 1
    return reasons.most_common(12)


def main() -> None:
    """Exit code 1 if there was a fault."""
    arguments = parser(__doc__)
    arguments.add_argument("--count", type=int, default=5000)
    arguments.add_argument("--seed", type=int, default=0)
    args = arguments.parse_args()
    # the child processes that read the mutants import from the tests too
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    sys.exit(bool(measure(args.count, args.seed)))


if __name__ == "__main__":
    main()
