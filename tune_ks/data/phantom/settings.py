"""What the default phantom depends on."""

from dataclasses import dataclass

from tune_ks.data.phantom.scanner import (
    SWITCHES,
)


@dataclass(frozen=True)
class PhantomSettings:
    """What a phantom depends on. A switch that is off gives GE the value of Siemens, whose images never change."""

    seed: int = 0
    patients: int = 92  # per vendor: 1,472 files with the four slices of both series
    slices: int = 4  # files a patient a series, half of them positive
    matrix: int = 192  # stored pixels a side
    fov_mm: float = 160.0  # of Siemens; that of GE is smaller by its fov_ratio
    matrix_ratio: bool = True
    fermi: bool = True
    noise: bool = True
    te_tr_b0: bool = True
    fat_residual: bool = True
    bias: bool = True
    orientation: bool = True
    gain: bool = True
    pixel_spacing: bool = True

    def __post_init__(self) -> None:
        if self.patients < 2:
            raise ValueError(f"patients must be 2 or more per vendor, got {self.patients}")
        if self.slices not in (2, 4, 6, 8):  # the smallest tumour is cut by four slices
            raise ValueError(f"slices must be 2, 4, 6 or 8, half of them are positive; got {self.slices}")
        if self.matrix < 32 or self.matrix % 4:
            raise ValueError(f"matrix must be a multiple of 4 and at least 32, got {self.matrix}")
        if not 100 <= self.fov_mm <= 200:
            raise ValueError(f"fov_mm must be in [100, 200], a view of one breast; got {self.fov_mm}")

    def off(self) -> tuple[str, ...]:
        """The switches that are off."""
        return tuple(name for name in SWITCHES if not getattr(self, name))
