"""An anatomy -> the image that a scanner stores: spoiled gradient echo, then k-space, then stored integers.

    S = M0 sin a (1 - E1) / (1 - E1 cos a) exp(-TE / T2*),   E1 = exp(-TR / T1),   1/T1 = 1/T10 + r1 C

Every difference between the two vendors is a group of ``Protocol`` fields, so that it can be switched off alone.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tune_ks.data.kspace import centre, to_image, to_kspace

FAT_T1_MS = 423.0  # at 3 T: Edden et al., JMRI 2010
GLAND_T1_MS = 1680.0  # the same source
T1_AT_1P5T = {"water": 1266 / 1445, "fat": 296 / 367}  # of T1 at 3 T: Rakow-Penner et al., JMRI 2006
R1_PER_S_MM = {1.5: 4.1, 3.0: 3.7}  # gadopentetate in plasma, 1/(s mmol/l): Rohrer et al., Invest Radiol 2005
GLAND_T2STAR_MS = 22.4  # at 3 T: Ryu et al., J Korean Soc Magn Reson Med 2014
FAT_T2STAR_MS = 36.4  # the same source
FAT_SHIFT_HZ_PER_T = 3.4e-6 * 42.577e6  # fat resonates 3.4 ppm below water
BAND_EDGE = 0.15  # width of the change from suppressed to unsuppressed fat, in standard deviations of B0
MAX_STORED = 32767


@dataclass(frozen=True)
class Slice:
    """Tissue on an (M, M) grid; rows run from the nipple to the chest wall."""

    water: np.ndarray  # proton density, 0 to 1
    fat: np.ndarray  # proton density, 0 to 1
    t1_ms: np.ndarray  # of the water at 3 T
    uptake_mm: np.ndarray  # contrast agent at the first post-contrast series, mmol/l
    b0: np.ndarray  # offset in standard deviations
    tumour: np.ndarray  # bool


@dataclass(frozen=True)
class Protocol:
    """How one vendor scans. Ratios are relative to the stored matrix; ``noise`` to the glandular signal."""

    manufacturer: str
    models: dict[float, str]  # field strength in T -> model name
    acquired_ratio: float  # acquired over stored matrix; the rest is zero-filled
    partial_fourier: float  # share of the phase-encoding lines that is acquired
    fermi: bool  # apodise with a Fermi window
    noise: float  # standard deviation at 3 T of a fully acquired matrix, over native glandular signal
    tr_ms: float
    te_ms: float
    flip_deg: float
    share_3t: float  # of the patients; the others are scanned at 1.5 T
    fat_residual: float  # share of the fat signal that suppression leaves
    fat_failure: float  # B0 offset, in its standard deviations, beyond which suppression fails
    shading: float  # exponent of the coil sensitivity that is left in the image; 0: corrected
    gain: float  # stored integers per unit of signal
    rotated: bool  # stored turned by 180 degrees
    fov_ratio: float  # field of view over the field of view of the settings

    def acquired(self, matrix: int) -> int:
        """Acquired samples a side, even, of a stored ``matrix``."""
        return round(self.acquired_ratio * matrix / 2) * 2


# Zero-filling, orientation, TR/TE, flip angle and spacing ratio: aggregates of Duke-Breast-Cancer-MRI (Saha et al.,
# Br J Cancer 2018). Noise, fat suppression, shading and gain are chosen, not measured: GE has an uncorrected surface
# coil and leaves more fat, Siemens has a normalised coil and leaves less.
GE = Protocol(
    manufacturer="GE MEDICAL SYSTEMS", models={1.5: "Signa HDxt", 3.0: "SIGNA HDx"},
    acquired_ratio=0.70, partial_fourier=0.875, fermi=True, noise=0.14, tr_ms=5.5, te_ms=2.45, flip_deg=10.0,
    share_3t=0.4, fat_residual=0.30, fat_failure=1.5, shading=1.0, gain=40000.0, rotated=True, fov_ratio=0.875,
)  # fmt: skip
SIEMENS = Protocol(
    manufacturer="SIEMENS", models={1.5: "Avanto", 3.0: "Skyra"},
    acquired_ratio=1.0, partial_fourier=1.0, fermi=False, noise=0.07, tr_ms=4.1, te_ms=1.4, flip_deg=12.0,
    share_3t=0.6, fat_residual=0.12, fat_failure=2.3, shading=0.25, gain=6000.0, rotated=False, fov_ratio=1.0,
)  # fmt: skip
PROTOCOLS = {"GE": GE, "SIEMENS": SIEMENS}

SWITCHES: dict[str, tuple[str, ...]] = {
    "matrix_ratio": ("acquired_ratio", "partial_fourier"),
    "fermi": ("fermi",),
    "noise": ("noise",),
    "te_tr_b0": ("tr_ms", "te_ms", "flip_deg", "share_3t"),
    "fat_residual": ("fat_residual", "fat_failure"),
    "bias": ("shading",),
    "orientation": ("rotated",),
    "gain": ("gain",),
    "pixel_spacing": ("fov_ratio",),
}


def protocol(vendor: str, off: tuple[str, ...] = ()) -> Protocol:
    """One vendor's protocol; for the switches in ``off`` it takes the Siemens value: Siemens itself never changes."""
    common = {name: getattr(SIEMENS, name) for switch in off for name in SWITCHES[switch]}
    return dataclasses.replace(PROTOCOLS[vendor], **common)


@dataclass(frozen=True)
class Sequence:
    """The contrast settings of one examination."""

    tr_ms: float
    te_ms: float
    flip_deg: float
    field_t: float


# relative enhancement is stated for this sequence
REFERENCE = Sequence(SIEMENS.tr_ms, SIEMENS.te_ms, SIEMENS.flip_deg, field_t=3.0)


def spoiled_gradient_echo(t1_ms: np.ndarray | np.floating, t2star_ms: float, sequence: Sequence) -> np.ndarray:
    """Signal per unit of M0 (Haase et al., J Magn Reson 1986); the shape of ``t1_ms``."""
    flip = np.deg2rad(sequence.flip_deg)
    e1 = np.exp(-sequence.tr_ms / t1_ms)
    return np.sin(flip) * (1 - e1) / (1 - e1 * np.cos(flip)) * np.exp(-sequence.te_ms / t2star_ms)


def uptake_for(enhancement: np.ndarray, t10_ms: np.ndarray) -> np.ndarray:
    """Contrast agent (mmol/l) that raises the signal of ``REFERENCE`` by the factor 1 + ``enhancement`` at 3 T."""
    flip = np.deg2rad(REFERENCE.flip_deg)
    e10 = np.exp(-REFERENCE.tr_ms / t10_ms)
    wanted = (1 + enhancement) * (1 - e10) / (1 - e10 * np.cos(flip))
    if np.any(wanted >= 1):
        raise ValueError(f"no T1 is short enough for an enhancement of {np.max(enhancement):.1f} at this T10")
    t1_ms = -REFERENCE.tr_ms / np.log((1 - wanted) / (1 - wanted * np.cos(flip)))
    return (1 / t1_ms - 1 / t10_ms) * 1e3 / R1_PER_S_MM[3.0]


def signal(tissue: Slice, sequence: Sequence, scanner: Protocol, contrast: bool) -> np.ndarray:
    """Complex (M, M) signal of a slice: water, and the fat that suppression leaves, with the phase of fat."""
    water_t1 = tissue.t1_ms * (T1_AT_1P5T["water"] if sequence.field_t == 1.5 else 1.0)
    fat_t1 = FAT_T1_MS * (T1_AT_1P5T["fat"] if sequence.field_t == 1.5 else 1.0)
    if contrast:
        water_t1 = 1 / (1 / water_t1 + R1_PER_S_MM[sequence.field_t] * 1e-3 * tissue.uptake_mm)
    water = tissue.water * spoiled_gradient_echo(water_t1, GLAND_T2STAR_MS, sequence)
    # suppression is spectral: it fails where B0 moves fat out of its band
    failed = 1 / (1 + np.exp(-(tissue.b0 - scanner.fat_failure) / BAND_EDGE))
    left = scanner.fat_residual + (1 - scanner.fat_residual) * failed
    fat = tissue.fat * left * spoiled_gradient_echo(np.float32(fat_t1), FAT_T2STAR_MS, sequence)
    turn = 2 * np.pi * FAT_SHIFT_HZ_PER_T * sequence.field_t * sequence.te_ms * 1e-3
    return (water + fat * np.exp(-1j * turn)).astype(np.complex64)


GLAND_SIGNAL = float(spoiled_gradient_echo(np.float64(GLAND_T1_MS), GLAND_T2STAR_MS, REFERENCE))


def coil_sensitivity(x_mm: np.ndarray, y_mm: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(M, M) sensitivity of a breast coil: four loops around the breast, weaker with distance; its median is 1."""
    total = np.zeros((y_mm.size, x_mm.size), np.float32)
    for angle in np.deg2rad([15, 65, 115, 165]):
        loop_x = 75 * np.cos(angle) + rng.normal(0, 5)
        loop_y = 85 * np.sin(angle) + 5 + rng.normal(0, 5)
        square = (x_mm[None, :] - loop_x) ** 2 + (y_mm[:, None] - loop_y) ** 2
        total += rng.uniform(0.7, 1.3) / (1 + square / 30**2)
    return total / np.median(total)


def smooth_phase(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size) phase in radians: a random second-order polynomial, as B0 and receiver leave it."""
    u = np.linspace(-1, 1, size, dtype=np.float32)
    x = u[None, :]
    y = u[:, None]
    a = rng.normal(0, [np.pi, 1.5, 1.5, 1.0, 1.0, 1.0]).astype(np.float32)
    return a[0] + a[1] * x + a[2] * y + a[3] * x * x + a[4] * x * y + a[5] * y * y


def acquire(
    transverse: np.ndarray, matrix: int, scanner: Protocol, field_t: float, rng: np.random.Generator
) -> np.ndarray:
    """Complex (M, M) magnetisation, shaded and with its phase -> magnitude (matrix, matrix) in the signal's unit.

    FFT, crop to the acquired matrix, partial Fourier (the first phase-encoding columns are left out), complex noise,
    Fermi window, zero-filling, inverse FFT, magnitude.
    """
    from scipy import fft  # here, because most commands find the phantom written

    acquired = scanner.acquired(matrix)
    kspace = centre(to_kspace(transverse, norm="forward", fft=fft), acquired)
    # one noise level a sample: a smaller acquired matrix holds less noise, as on a scanner
    deviation = scanner.noise * GLAND_SIGNAL * (3.0 / field_t) / matrix
    noise = rng.normal(0, deviation, (2, acquired, acquired)).astype(np.float32)
    kspace = (kspace + noise[0] + 1j * noise[1]) * _sampled_columns(acquired, scanner)[None, :]
    if scanner.fermi:
        kspace = kspace / _inverse_fermi_window(acquired)
    return np.abs(to_image(centre(kspace, matrix), norm="forward", fft=fft))


def _sampled_columns(acquired: int, scanner: Protocol) -> np.ndarray:
    """(acquired,) 1 for the phase-encoding columns that partial Fourier samples, 0 for the first ones."""
    sampled = np.ones(acquired, np.float32)
    sampled[: acquired - round(scanner.partial_fourier * acquired)] = 0
    return sampled


def _inverse_fermi_window(acquired: int) -> np.ndarray:
    """(acquired, acquired) 1 + exp((|k| - k_max) / width): k-space is divided by it."""
    k = np.arange(acquired, dtype=np.float32) - acquired // 2
    radius = np.hypot(k[:, None], k[None, :])
    return 1 + np.exp((radius - acquired / 2) / (10 / 256 * acquired))


def store(magnitude: np.ndarray, scanner: Protocol, gain: float) -> np.ndarray:
    """Magnitude -> unsigned 16-bit integers in the vendor's stored orientation; ``gain`` multiplies the scanner's."""
    values = np.clip(np.round(magnitude * scanner.gain * gain), 0, MAX_STORED).astype(np.uint16)
    return np.ascontiguousarray(values[::-1, ::-1]) if scanner.rotated else values
