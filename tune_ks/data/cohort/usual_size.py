"""Files that are far smaller than the other images of their vendor: no images of the series."""

from tune_ks.data.cohort.candidates import Candidate

FAR_SMALLER = 1 / 3  # of the usual side of the vendor's images: a smaller image is no image of the series
FEW = 1 / 4  # of the vendor's images: where more are far smaller, there is no usual side


def side_of(candidate: Candidate) -> int:
    """Pixels a side of the square that an image is padded to."""
    return max(candidate.header.height, candidate.header.width)


def least_side(sides: list[int]) -> float:
    """The least side, in pixels, of an image that counts among its vendor's; 0 where these have no usual side."""
    usual = sorted(sides)[len(sides) // 2]
    far_smaller = sum(side < FAR_SMALLER * usual for side in sides)
    return FAR_SMALLER * usual if far_smaller <= FEW * len(sides) else 0
