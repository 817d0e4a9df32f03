"""A heart in three dimensions, after contrast: the wall of the left ventricle, a scar in it, and what lies around it.

Lengths in mm: x and y within a slice, z along the slices, 0 in the middle of the imaged cube. In the heart's own axes
(u, v, w) the long axis w runs from the base (0) to the apex (``length``). The wall lies between two half ellipsoids.

    e_out = sqrt((u / a)^2 + (v / b)^2 + (w / length)^2) <= 1 < e_in,    e_in the same with axes shorter by the wall

The signal is that of an inversion recovery (late gadolinium enhancement, LGE), before its magnitude is taken:

    S(T1) = 1 - 2 exp(-TI / T1) + exp(-TR / T1),    S = 0 at TI = T1 log(2 / (1 + exp(-TR / T1)))
"""

from typing import NamedTuple

import numpy as np

from tune_ks.data.phantom.anatomy import Noise

# T1 at 1.5 T some ten minutes after a dose of gadolinium: chosen, within what Kellman and Arai report (JMRI 36:529,
# 2012). Scar holds more contrast agent than blood, blood more than healthy myocardium, fat recovers by itself.
MYOCARDIUM_T1_MS = 450.0
SCAR_T1_MS = 280.0
BLOOD_T1_MS = 340.0
FAT_T1_MS = 260.0
LIVER_T1_MS = 320.0  # also of what lies around the heart
AROUND_DENSITY = 0.4  # of protons around the heart, so that a nulled wall is a dark ring
FAT_DENSITY = 0.6  # of what a poor suppression leaves; 1 elsewhere
SEPTUM = 0.0  # angle about the long axis, in radians, at which the right ventricle lies


class Scar(NamedTuple):
    """The part of the wall within an angle about the long axis, a stretch along it, and a depth from the inside."""

    angle: float  # its middle, in radians
    half_angle: float
    start: float  # along the long axis: 0 at the base, 1 at the apex
    end: float
    transmurality: float  # share of the wall's thickness, from the inside

    def holds(self, angle: np.ndarray, along: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """True where it is; ``depth`` is 0 at the inside of the wall and 1 at its outside."""
        away = np.abs((angle - self.angle + np.pi) % (2 * np.pi) - np.pi)
        return (away <= self.half_angle) & (along >= self.start) & (along <= self.end) & (depth <= self.transmurality)


class Tissue(NamedTuple):
    """One slice of a heart: (rows, columns) each."""

    density: np.ndarray  # of protons, 0 to 1
    t1_ms: np.ndarray
    myocardium: np.ndarray  # bool, the whole wall, scar included
    scar: np.ndarray  # bool


class Heart:
    """One patient's heart and chest, drawn from ``rng``."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.axes = (rng.uniform(27, 33), rng.uniform(27, 33), rng.uniform(72, 88))  # a, b, length
        self.wall = rng.uniform(8.5, 11.5)
        self.centre = rng.normal(0, 3, 3)
        self.rotation = turn(rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15), rng.normal(0, 0.15))
        self.scar = self._scar(rng)
        self.right_width = rng.uniform(16, 24)
        self.chest_y = rng.uniform(48, 55)  # in front of it lies the fat of the chest
        self.liver_z = rng.uniform(-40, -28)
        self.patches = Noise(rng, 14.0)  # of fat on the heart
        self.texture = Noise(rng, 6.0)

    def _scar(self, rng: np.random.Generator) -> Scar:
        start = rng.uniform(0.1, 0.5)
        return Scar(
            angle=rng.uniform(0, 2 * np.pi),
            half_angle=rng.uniform(0.5, 1.2),
            start=start,
            end=start + rng.uniform(0.25, 0.45),
            transmurality=rng.uniform(0.5, 1.0),
        )

    def slice_at(self, x: np.ndarray, y: np.ndarray, z: float) -> Tissue:
        """The slice at ``z`` on the columns ``x`` and rows ``y``."""
        u, v, w = self._own_axes(x, y, z)
        e_out = radius_in(u, v, w, self.axes)
        e_in = radius_in(u, v, w, tuple(axis - self.wall for axis in self.axes))
        below_base = w >= 0
        wall = below_base & (e_out <= 1) & (e_in > 1)
        depth = np.clip((e_in - 1) / np.maximum(e_in - e_out, 1e-6), 0, 1)
        scar = wall & self.scar.holds(np.arctan2(v, u), w / self.axes[2], depth)

        density = np.full(e_out.shape, AROUND_DENSITY, np.float32)
        t1_ms = np.full(e_out.shape, LIVER_T1_MS, np.float32)

        def fill(where: np.ndarray, of_t1_ms: float, of_density: float = 1.0) -> None:
            density[where] = of_density
            t1_ms[where] = of_t1_ms

        fill(np.broadcast_to(y[:, None] > self.chest_y, density.shape), FAT_T1_MS, FAT_DENSITY)
        fill(np.broadcast_to(z + 0.3 * y[:, None] < self.liver_z, density.shape), LIVER_T1_MS)
        around = below_base & (e_out <= 1.2) & (self.patches.plane(x, y, z) > 0.8)
        fill(around, FAT_T1_MS, FAT_DENSITY)
        fill(self._right_ventricle(u, v, w), BLOOD_T1_MS)
        fill(below_base & (e_out <= 1), MYOCARDIUM_T1_MS)
        fill(below_base & (e_in <= 1), BLOOD_T1_MS)
        fill(scar, SCAR_T1_MS)
        density *= np.clip(1 + 0.06 * self.texture.plane(x, y, z), 0.7, 1.3)
        return Tissue(density, t1_ms, wall, scar)

    def _right_ventricle(self, u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Blood beside the septum: an ellipsoid, moved towards it, of which the left ventricle covers a part."""
        a, b, length = self.axes
        moved = u - (a * np.cos(SEPTUM) + 0.3 * self.right_width)
        beside = v - a * np.sin(SEPTUM)
        return (w >= 0) & (radius_in(moved, beside, w, (self.right_width, 1.1 * b, 0.85 * length)) <= 1)

    def _own_axes(self, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rows, columns) of u, v and w. The base lies towards positive z, the apex towards negative z."""
        grid_x, grid_y = np.meshgrid(x - self.centre[0], y - self.centre[1])
        points = np.stack([grid_x, grid_y, np.full_like(grid_x, z - self.centre[2])])
        u, v, along = np.tensordot(self.rotation, points, axes=1)
        return u, v, self.axes[2] / 2 - along


def radius_in(u: np.ndarray, v: np.ndarray, w: np.ndarray, axes: tuple[float, ...]) -> np.ndarray:
    """1 on the ellipsoid with these half axes, less inside."""
    return np.sqrt((u / axes[0]) ** 2 + (v / axes[1]) ** 2 + (w / axes[2]) ** 2)


def turn(about_z: float, about_x: float, about_y: float) -> np.ndarray:
    """(3, 3) rotation about z, then about x, then about y; angles in radians."""
    cz, sz = np.cos(about_z), np.sin(about_z)
    cx, sx = np.cos(about_x), np.sin(about_x)
    cy, sy = np.cos(about_y), np.sin(about_y)
    of_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    of_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    of_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return of_y @ of_x @ of_z


def inversion_recovery(t1_ms: np.ndarray | float, ti_ms: float, tr_ms: float) -> np.ndarray:
    """S(T1) with its sign, per unit of proton density."""
    return 1 - 2 * np.exp(-ti_ms / t1_ms) + np.exp(-tr_ms / t1_ms)


def nulling_ti_ms(t1_ms: float, tr_ms: float) -> float:
    """The inversion time at which tissue of this T1 has no signal."""
    return float(t1_ms * np.log(2 / (1 + np.exp(-tr_ms / t1_ms))))
