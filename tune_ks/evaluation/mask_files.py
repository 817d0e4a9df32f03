"""A mask for people and scanners: mask.csv, every coefficient; mask_lines.txt, the kept ones in an order to acquire."""

import itertools

import numpy as np

from tune_ks.evaluation.decisions import NOTICE
from tune_ks.evaluation.exported_model import ExportedMask

LINES_HEADER = """\
Lines of k-space to acquire, one in a row: the place in the order, k of the line, and its place from the centre out.

k counts the lines of the full grid of {size} from its centre: k = 0 is DC, and k runs from {first} to {last}. The rows
are in linear (sequential) order, k rising. The last column is the order from the centre outwards: |k| rising, and of k
and -k the negative one first. One step of k is 1 / FOV, where FOV is the side of the square that the images were
padded to. The lines encode the columns' index (x) of the images in canonical orientation (axial: the patient's right
to left), so phase encoding must be along that axis. {kept} of {size} lines are kept, rate {rate:.6g}.

{notice}
"""
POINTS_HEADER = """\
Coefficients of k-space to acquire, one in a row: the place in the order, k of rows (y), k of columns (x), and the place
from the centre out.

k counts from the centre of the full grid of {size} coefficients: (0, 0) is DC, and k of columns runs from {first} to
{last}. The rows of this list are in linear (sequential) order, first along y, then along x. The last column is the
order from the centre outwards: the distance from DC rising. One step of k is 1 / FOV, where FOV is the side of the
square that the images were padded to. {kept} of {size} are kept, rate {rate:.6g}.

{notice}
"""
NO_SCANNER = """\
No order to acquire: the coefficients of this transform are no lines or points that a gradient encodes. mask.csv holds
the mask by its index.
"""


def mask_csv(mask: ExportedMask) -> str:
    """A row a coefficient: index, k (of lines) or k_row and k_column (of points), kept (0 or 1), probability."""
    names = ["k"] if mask.kept.ndim == 1 else ["k_row", "k_column"]
    lines = [",".join(["index", *names, "kept", "probability"])]
    for index, place in enumerate(np.ndindex(mask.kept.shape)):
        ks = [str(at - dc) for at, dc in zip(place, mask.dc)]
        lines.append(",".join([str(index), *ks, str(int(mask.kept[place])), f"{mask.probability[place]:.9g}"]))
    return "\n".join(lines) + "\n"


def mask_lines(mask: ExportedMask, is_fourier: bool) -> str:
    """The kept coefficients in linear order with their place from the centre out; the header says how to read it."""
    if not is_fourier:
        return _commented(NO_SCANNER)
    kept = [tuple(int(at - dc) for at, dc in zip(place, mask.dc)) for place in np.argwhere(mask.kept)]
    outwards = sorted(kept, key=lambda k: (sum(part**2 for part in k), k))
    place_of = {k: place for place, k in enumerate(outwards)}
    header = LINES_HEADER if mask.kept.ndim == 1 else POINTS_HEADER
    first = -mask.dc[-1]
    text = header.format(
        size=mask.kept.size,
        first=first,
        last=first + mask.kept.shape[-1] - 1,
        kept=len(kept),
        rate=len(kept) / mask.kept.size,
        notice=NOTICE,
    )
    rows = [" ".join(map(str, itertools.chain([order], k, [place_of[k]]))) for order, k in enumerate(kept)]
    return _commented(text) + "\n".join(rows) + "\n"


def _commented(text: str) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
