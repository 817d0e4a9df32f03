"""Thousands of damaged files, read by the readers of DICOM, sheets and run folders: what became of them.

    python benchmarks/mutants.py                  5,000 mutants, the table of docs/reliability.md
    python benchmarks/mutants.py --count 500 --seed 7

The same mutants as tests/data/test_fuzz.py draws its 300 from; the number of a mutant is its seed. Each is read in a
child process. A fault is a crash of the reader, an exception that is none of its own, a silence of more than a
minute, a refusal that does not name the file, or an identifying value in what is said.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))
os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["OMP_NUM_THREADS"] = "1"

import mutant_files  # noqa: E402
from made_run import make_run  # noqa: E402

SHARES = {"DICOM": 0.65, "sheets": 0.3, "run folder": 0.05}
READ = {"DICOM": "image", "sheets": "read", "run folder": "read"}  # how a verdict begins where the mutant was read


def measure(count: int, seed: int) -> int:
    """Print one line a kind, the reasons that came most often, and every fault; returns how many there were."""
    print(
        "| files | mutants | read | refused by name | decoder crashed, named | slowest | peak memory | faults | time |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    faults: list[mutant_files.Verdict] = []
    reasons: dict[str, Counter[str]] = {}
    for kind, share in SHARES.items():
        found, line = one_kind(kind, round(share * count), seed)
        print(line, flush=True)
        faults += [verdict for verdict in found if verdict.fault]
        refused = [verdict.said for verdict in found if not verdict.said.startswith(READ[kind])]
        reasons[kind] = Counter(said.split("(")[0].split(":")[0].strip() for said in refused)
    print("\nDICOM, by reason:", ", ".join(f"{said} {n}" for said, n in reasons["DICOM"].most_common(12)))
    for fault in faults:
        print(f"FAULT {fault.kind} {fault.source}: {fault.fault}")
    return len(faults)


def one_kind(kind: str, count: int, seed: int) -> tuple[list[mutant_files.Verdict], str]:
    """The verdicts over ``count`` mutants, and their line of the table."""
    reader = mutant_files.Reader()
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        place = Path(folder)
        started = time.monotonic()
        if kind == "DICOM":
            found = list(mutant_files.dicom_mutants(place, count, seed, reader))
        elif kind == "sheets":
            found = list(mutant_files.sheet_mutants(place, count, seed, reader))
        else:
            found = list(mutant_files.run_mutants(make_run(place).root, count, seed, reader))
    reader.close()
    read = sum(verdict.said.startswith(READ[kind]) for verdict in found)
    crashed = sum(verdict.said == "the decoder crashed" for verdict in found)
    bad = sum(bool(verdict.fault) for verdict in found)
    slowest = max(verdict.seconds for verdict in found)
    seconds = time.monotonic() - started
    cells = (kind, f"{count:,}", read, count - read - crashed - bad, crashed, f"{slowest:.1f} s")
    cells += (f"{reader.peak_mib} MiB", bad, f"{seconds:.0f} s")
    return found, f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Exit 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sys.exit(bool(measure(args.count, args.seed)))


if __name__ == "__main__":
    main()
