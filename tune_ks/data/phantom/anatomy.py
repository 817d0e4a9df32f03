"""One breast in three dimensions: skin, fat, gland, vessels, a tumour, and lesions that can be taken for a tumour.

Lengths in mm: x to the patient's left, y from the chest wall (0) towards the nipple, z along the slices (0: nipple).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tune_ks.data.phantom.scanner import GLAND_T1_MS, Slice, uptake_for

MUSCLE_T1_MS = 1412.0  # at 3 T: Stanisz et al., Magn Reson Med 2005
BLOOD_T1_MS = 1932.0  # the same source
TUMOUR_T1_MS = 1500.0  # at 3 T: chosen, a little below gland
SKIN_T1_MS = 1100.0  # at 3 T: chosen, clearly below gland
# Relative enhancements are those of the first series after contrast, for scanner.REFERENCE. Malignant masses enhance
# faster than benign ones, with overlap (Jansen et al., JMRI 2011); the levels are chosen within what is reported.
X_REACH_MM = 100.0  # how far the noise reaches from the origin, to both sides
Y_REACH_MM = 150.0
Z_REACH_MM = 60.0  # half of the imaged volume
STEP_ENDS = 40.0  # beyond it _step changes no more
FAR_OUT = 9.0  # what stands for the radius, over that of the margin, of a pixel that a lesion does not reach

EVERYWHERE = (slice(None), slice(None))


class Noise:
    """Smooth Gaussian noise of unit variance in (x, y, z): cubic B-splines on random knots ``spacing_mm`` apart."""

    def __init__(self, rng: np.random.Generator, spacing_mm: float) -> None:
        self.spacing_mm = spacing_mm
        self.first = -np.ceil(np.array([X_REACH_MM, Y_REACH_MM, Z_REACH_MM]) / spacing_mm).astype(int) - 1
        counts = (2 * -self.first + 2)[::-1]
        self.values = rng.standard_normal(counts, dtype=np.float32) / np.float32(0.48**1.5)  # knots in z, y, x

    def plane(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """(len(y), len(x)) values at one z. Sparse, because dense products would start all BLAS threads."""
        along_x = self._weights(x, axis=0)
        along_y = self._weights(y, axis=1)
        along_z = self._weights(np.array([z]), axis=2)
        knots = sum(weight * self.values[k] for k, weight in zip(along_z.indices, along_z.data))
        return (along_x @ (along_y @ knots).T).T

    def _weights(self, points: np.ndarray, axis: int) -> Any:
        """(points, knots) B-spline weights of the four nearest knots along one axis, as a sparse array."""
        from scipy.sparse import csr_array  # here, because most commands find the phantom written

        at = np.asarray(points, np.float64) / self.spacing_mm - self.first[axis]
        knot = np.floor(at).astype(int)
        t = at - np.floor(at)
        weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (1 - t) ** 3 - 6 * (1 - t) ** 2 + 4, t**3]
        columns = knot[:, None] + np.arange(-1, 3)
        if columns.min() < 0 or columns.max() >= self.values.shape[2 - axis]:
            raise ValueError("the field of view reaches beyond the anatomy; take an fov_mm of 200 or less")
        indptr = np.arange(0, 4 * at.size + 1, 4)
        data = np.stack(weights, 1).astype(np.float32) / 6
        return csr_array((data.ravel(), columns.ravel(), indptr), (at.size, self.values.shape[2 - axis]))


@dataclass(frozen=True)
class Lesion:
    """A blob: its sections shrink as those of a sphere of ``radius_mm``, its margin is a Fourier series in angle."""

    centre: tuple[float, float, float]
    radius_mm: float
    enhancement: float
    aspect: float = 1.0
    turn: float = 0.0
    soft_mm: float = 0.5  # width of the margin
    lobes: tuple[tuple[float, float], ...] = ()  # (amplitude, phase) of the harmonics 2, 3, ...
    spicules: tuple[tuple[float, float], ...] = ()  # (angle, length over the radius)
    core: float = 1.0  # enhancement of the centre over that of the rim

    def share(self, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Share of each pixel that is lesion, and its radius over the local margin's; (len(y), len(x)) each.

        Beyond the reach of the lesion the share is the smallest that _step gives, and the radius FAR_OUT.
        """
        share = np.zeros((y.size, x.size), np.float32)
        radius = np.full_like(share, FAR_OUT)
        dz = (z - self.centre[2]) / self.radius_mm
        if abs(dz) >= 1:
            return share, radius
        share += _step(np.full(1, -STEP_ENDS, np.float32))
        reach_mm = max(self._margin_mm(dz) + STEP_ENDS * self.soft_mm, self._spicules_mm(dz))
        window = self._window(x, y, reach_mm)
        share[window], radius[window] = self._share(x[window[1][0]], y[window[0][:, 0]], dz)
        return share, radius

    def mask(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """(len(y), len(x)) bool, whether more than half of a pixel is lesion: ``share`` > 0.5."""
        mask = np.zeros((y.size, x.size), bool)
        dz = (z - self.centre[2]) / self.radius_mm
        if abs(dz) < 1:
            window = self._window(x, y, max(self._margin_mm(dz), self._spicules_mm(dz)))
            mask[window] = self._share(x[window[1][0]], y[window[0][:, 0]], dz)[0] > 0.5
        return mask

    def _margin_mm(self, dz: float) -> float:
        """No part of the margin is farther from the centre of the section than this."""
        lobes = sum(abs(amplitude) for amplitude, _ in self.lobes)
        return (1 + lobes) * self.radius_mm * float(np.sqrt(1 - dz * dz))

    def _spicules_mm(self, dz: float) -> float:
        """No spicule reaches farther from the centre of the section than this."""
        return (1 + max((length for _, length in self.spicules), default=0.0)) * self._margin_mm(dz)

    def _window(self, x: np.ndarray, y: np.ndarray, reach_mm: float) -> tuple[np.ndarray, ...]:
        """Index of the pixels at most ``reach_mm`` away, and of some beyond; stretching by ``aspect`` counts."""
        reach_mm = 1.01 * reach_mm * np.sqrt(max(self.aspect, 1 / self.aspect))
        row = np.flatnonzero(np.abs(y - self.centre[1]) <= reach_mm)
        column = np.flatnonzero(np.abs(x - self.centre[0]) <= reach_mm)
        return np.ix_(row, column)

    def _share(self, x: np.ndarray, y: np.ndarray, dz: float) -> tuple[np.ndarray, np.ndarray]:
        """As ``share``, for every pixel, in the section at ``dz`` radii from the centre."""
        dx = x[None, :] - self.centre[0]
        dy = y[:, None] - self.centre[1]
        u = (dx * np.cos(self.turn) + dy * np.sin(self.turn)) * np.sqrt(self.aspect)
        v = (dy * np.cos(self.turn) - dx * np.sin(self.turn)) / np.sqrt(self.aspect)
        rho = np.hypot(u, v).astype(np.float32)
        theta = np.arctan2(v, u).astype(np.float32)
        margin = np.ones_like(rho)
        for order, (amplitude, phase) in enumerate(self.lobes, start=2):
            margin += amplitude * np.cos(order * theta + phase + 1.5 * dz)
        margin *= self.radius_mm * np.sqrt(1 - dz * dz)
        share = _step((margin - rho) / self.soft_mm)
        for angle, length in self.spicules:
            across = rho * np.sin(theta - angle)
            beyond = np.clip((rho / margin - 1) / length, 0, 1)
            ray = np.exp(-((across / 0.7) ** 2)) * (1 - beyond) * (np.cos(theta - angle) > 0)  # thins out to its end
            share = np.maximum(share, 0.9 * ray)
        return share, rho / margin


class _Tissue:
    """Tissue of one slice: (rows, columns) of water share, T1 in ms and relative enhancement. It starts as gland."""

    def __init__(self, water: np.ndarray, enhancement: np.ndarray) -> None:
        self.water = water
        self.t1_ms = np.full_like(water, GLAND_T1_MS)
        self.enhancement = enhancement

    def cover(self, share: np.ndarray, t1_ms: float, enhancement: np.ndarray | float, pixels: Any = EVERYWHERE) -> None:
        """Replace this ``share`` of each of these pixels by another tissue, which is all water."""
        rest = 1 - share
        self.water[pixels] = self.water[pixels] * rest + share
        self.t1_ms[pixels] = self.t1_ms[pixels] * rest + t1_ms * share
        self.enhancement[pixels] = self.enhancement[pixels] * rest + enhancement * share


class Patient:
    """One woman's breast, drawn from ``rng``. The plan of the cohort gives the position and radius of the tumour."""

    def __init__(self, rng: np.random.Generator, tumour_z_mm: float, tumour_radius_mm: float) -> None:
        self.half_width = rng.uniform(52, 64)
        self.depth = rng.uniform(70, 95)
        self.tilt = rng.uniform(-0.12, 0.12)
        self.skin_mm = rng.uniform(1.5, 2.5)
        self.muscle_mm = rng.uniform(8, 13)
        self.density = rng.normal(0.0, 0.55)
        self.gland_x = rng.normal(0, 5)
        self.gland_y = rng.uniform(0.42, 0.55)
        self.parenchyma = float(np.clip(rng.lognormal(np.log(0.35), 0.5), 0.2, 1.2))  # background enhancement
        self.octaves = [Noise(rng, spacing) for spacing in (24.0, 11.0, 5.5, 2.5)]
        self.uptake_noise = Noise(rng, 14.0)
        self.b0_noise = Noise(rng, 45.0)
        self.b0_level = rng.normal(0, 0.4)
        self.tumour = self._tumour(rng, tumour_z_mm, tumour_radius_mm)
        self.benign = self._benign(rng)
        self.focal = self._focal(rng)
        self.vessels = self._vessels(rng)
        self.vessel_enhancement = rng.uniform(1.2, 2.2)

    def size(self, z: float) -> float:
        """Breast cross-section at z over that at the nipple."""
        return float(np.sqrt(1 - (z / 80.0) ** 2))

    def _inside(self, rng: np.random.Generator, z: float, radius: float) -> tuple[float, float, float]:
        """A place for a lesion, clear of skin and chest wall."""
        s = self.size(z)
        across = self.half_width * s - radius - 6
        depth = self.depth * s - radius - 8
        for _ in range(200):
            x = rng.uniform(-across, across)
            y = rng.uniform(radius + 8, max(depth, radius + 9))
            if (abs(x) / max(across, 1)) ** 2 + (y / max(depth, 1)) ** 2 < 0.9:
                return float(x), float(y), z
        return 0.0, 0.45 * self.depth, z

    def _tumour(self, rng: np.random.Generator, z: float, radius: float) -> Lesion:
        rough = rng.uniform(0.08, 0.25)  # nearly round to irregular
        lobes = tuple((rng.normal(0, rough / order**0.9), rng.uniform(0, 2 * np.pi)) for order in range(1, 9))
        spicules: tuple[tuple[float, float], ...] = ()
        if rng.random() < 0.6:
            spicules = tuple((rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0)) for _ in range(rng.integers(5, 16)))
        return Lesion(
            centre=self._inside(rng, z, radius),
            radius_mm=radius,
            aspect=rng.uniform(0.75, 1.33),
            turn=rng.uniform(0, np.pi),
            lobes=lobes,
            spicules=spicules,
            core=rng.uniform(0.3, 0.6) if rng.random() < 0.3 else rng.uniform(0.85, 1.0),
            enhancement=float(np.clip(rng.lognormal(np.log(1.6), 0.25), 0.8, 3.0)),
        )

    def _benign(self, rng: np.random.Generator) -> list[Lesion]:
        """Fibroadenomas (smooth, oval) and lymph nodes (small, with a fatty hilum that does not enhance)."""
        fibroadenomas = rng.poisson(0.6)
        nodes = rng.poisson(0.6)
        lesions = [self._fibroadenoma(rng) for _ in range(fibroadenomas)] + [self._node(rng) for _ in range(nodes)]
        return [lesion for lesion in lesions if lesion is not None]

    def _fibroadenoma(self, rng: np.random.Generator) -> Lesion | None:
        z = rng.uniform(-Z_REACH_MM, Z_REACH_MM) * 0.8
        radius = rng.uniform(3, 7.5)
        enhancement = rng.uniform(0.5, 1.3)
        return self._oval(rng, z, radius, enhancement, core=1.0)

    def _node(self, rng: np.random.Generator) -> Lesion | None:
        z = rng.uniform(-Z_REACH_MM, Z_REACH_MM) * 0.8
        radius = rng.uniform(2.5, 4.5)
        enhancement = rng.uniform(0.8, 1.6)
        return self._oval(rng, z, radius, enhancement, core=0.0)

    def _oval(
        self, rng: np.random.Generator, z: float, radius: float, enhancement: float, core: float
    ) -> Lesion | None:
        """A smooth oval lesion, or None where its place lies too close to the tumour."""
        centre = self._inside(rng, z, radius)
        gap = np.hypot(centre[0] - self.tumour.centre[0], centre[1] - self.tumour.centre[1])
        if gap <= radius + self.tumour.radius_mm + 4:
            return None
        aspect = rng.uniform(1.2, 1.8)
        turn = rng.uniform(0, np.pi)
        return Lesion(centre, radius, enhancement, aspect, turn, soft_mm=0.4, core=core)

    def _focal(self, rng: np.random.Generator) -> list[Lesion]:
        """Focal parenchymal enhancement: soft patches, seen only where there is gland."""
        count = rng.poisson(1.5)
        places = rng.uniform(-0.8, 0.8, count) * Z_REACH_MM
        return [Lesion(self._inside(rng, z, 8), rng.uniform(6, 12), rng.uniform(0.3, 0.9), soft_mm=3.0) for z in places]

    def _vessels(self, rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
        """Smooth curves of (n, 3) points half a millimetre apart, each with its radius in mm."""
        vessels = []
        for _ in range(rng.integers(14, 26)):
            steps = int(rng.integers(60, 180))
            start = np.array([rng.uniform(-0.9, 0.9) * self.half_width, rng.uniform(4, 50), rng.uniform(-50, 50)])
            angle = np.pi / 2 + np.sign(start[0]) * rng.uniform(-0.2, 0.8)  # towards the nipple, inwards
            bend = np.cumsum(rng.normal(0, 0.03, steps)) + rng.normal(0, 0.006) * np.arange(steps)
            tortuous = 0.5 * np.sin(np.arange(steps) * 0.5 / rng.uniform(2, 5) + rng.uniform(0, 6))
            rise = rng.normal(0, 0.12) + 0.25 * np.sin(np.arange(steps) * 0.5 / rng.uniform(5, 12))
            turn = angle + bend + tortuous
            path = start + np.cumsum(0.5 * np.stack([np.cos(turn), np.sin(turn), rise], 1), axis=0)
            vessels.append((path, rng.uniform(0.4, 1.1)))
        return vessels

    def render(self, x: np.ndarray, y: np.ndarray, z: float) -> Slice:
        """Tissue of the slice at ``z`` on the columns ``x`` and rows ``y``, all in mm."""
        depth_in = self._depth_in(x, y, z)
        textures = [noise.plane(x, y, z) for noise in self.octaves]  # from coarse to fine
        body = _step(depth_in / 0.4)
        skin = body * _step((self.skin_mm - depth_in) / 0.3)
        wall = 6.0 - 0.0012 * x[None, :] ** 2 - y[:, None] + 1.5 * textures[0]  # below the breast
        muscle = body * _step(wall / 0.5) * _step((self.muscle_mm - wall) / 0.5)
        lung = _step((wall - self.muscle_mm - 6) / 0.6)
        gland = self._gland(x, y, z, depth_in, wall, textures)

        tissue = _Tissue(water=np.clip(0.06 + gland, 0, 1), enhancement=self._parenchyma(x, y, z))  # fat: some water
        for lesion in self.benign:
            share, from_centre = lesion.share(x, y, z)
            hilum = (1 - lesion.core) * _step((0.45 - from_centre) / 0.08)
            tissue.cover(share * (1 - hilum), TUMOUR_T1_MS, lesion.enhancement)
        for path, radius in self.vessels:
            pixels, vessel = self._vessel(path, radius, x, y, z)
            if vessel.size:
                tissue.cover(vessel * body[pixels], BLOOD_T1_MS, self.vessel_enhancement, pixels)
        tumour, from_centre = self.tumour.share(x, y, z)
        rim = self.tumour.core + (1 - self.tumour.core) * _step((from_centre - 0.6) / 0.1)
        uneven = np.clip(1 + 0.12 * textures[2], 0.6, 1.4)
        tissue.cover(tumour, TUMOUR_T1_MS, self.tumour.enhancement * rim * uneven)
        streaks = np.clip(0.85 + 0.12 * textures[2], 0.4, 1)
        tissue.cover(muscle * streaks, MUSCLE_T1_MS, 0.2)
        tissue.cover(skin, SKIN_T1_MS, 0.4)
        solid = body * (1 - lung)
        b0 = self.b0_level + self.b0_noise.plane(x, y, z) + 0.6 * _step((12 - depth_in) / 5)  # worst near the surface
        return Slice(
            water=tissue.water * solid,
            fat=(1 - tissue.water) * solid,
            t1_ms=tissue.t1_ms,
            uptake_mm=uptake_for(np.clip(tissue.enhancement, 0, 3.5), tissue.t1_ms),
            b0=b0,
            tumour=tumour > 0.5,
        )

    def _parenchyma(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """Relative enhancement of the gland, with the focal patches."""
        enhancement = self.parenchyma * np.clip(1 + 0.45 * self.uptake_noise.plane(x, y, z), 0.2, 2.2)
        for patch in self.focal:
            enhancement += patch.enhancement * patch.share(x, y, z)[0]
        return enhancement

    def _depth_in(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """Depth below the skin's surface in mm, negative outside: a dome on a chest wall."""
        s = self.size(z)
        power = 2.3
        across = (x[None, :] - self.tilt * y[:, None]) / (self.half_width * s)
        along = np.maximum(y[:, None], 0) / (self.depth * s)
        rho = np.maximum((np.abs(across) ** power + along**power) ** (1 / power), 1e-3)
        dome = (1 - rho) * np.minimum(np.hypot(x[None, :], np.maximum(y[:, None], 0)) / rho, self.depth)
        chest = 2.0 - 0.0012 * x[None, :] ** 2 - y[:, None]
        return 5 * np.logaddexp(dome / 5, chest / 5)

    def _gland(
        self,
        x: np.ndarray,
        y: np.ndarray,
        z: float,
        depth_in: np.ndarray,
        wall: np.ndarray,
        textures: list[np.ndarray],
    ) -> np.ndarray:
        """Share of glandular tissue: a cone behind the nipple, broken up by noise, with thin strands in the fat."""
        s = self.size(z)
        coarse, middle, fine, finest = textures
        away = np.hypot(
            (x[None, :] - self.gland_x) / (0.62 * self.half_width * s),
            (y[:, None] - self.gland_y * self.depth * s) / (0.5 * self.depth * s),
        )
        texture = 0.5 * coarse + 0.5 * middle + 0.45 * fine + 0.3 * finest
        lobules = np.clip(0.72 + 0.12 * middle + 0.14 * fine + 0.14 * finest, 0.15, 1)  # fat between them
        gland = _step((texture + self.density + 1.25 - 1.8 * away) / 0.25) * lobules
        strands = 0.4 * np.exp(-((middle + 0.5 * fine) ** 2) / 0.01) * _step((1.5 - away) / 0.15)
        return np.maximum(gland, strands) * _step((depth_in - self.skin_mm - 3) / 1.0) * _step((-wall - 4) / 1.0)

    @staticmethod
    def _vessel(
        path: np.ndarray, radius: float, x: np.ndarray, y: np.ndarray, z: float
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Index of the pixels near a vessel, and the share of each that is vessel. None is near where it is far off."""
        from scipy.spatial import cKDTree  # here, because most commands find the phantom written

        near = path[np.abs(path[:, 2] - z) < radius + 1.0]  # a slice is 2 mm thick
        if near.size == 0:
            return np.ix_([], []), np.zeros((0, 0), np.float32)
        column = np.flatnonzero(np.abs(x - near[:, 0].mean()) < np.ptp(near[:, 0]) / 2 + 4)
        row = np.flatnonzero(np.abs(y - near[:, 1].mean()) < np.ptp(near[:, 1]) / 2 + 4)
        if row.size == 0 or column.size == 0:
            return np.ix_([], []), np.zeros((0, 0), np.float32)
        px, py = np.meshgrid(x[column], y[row])
        distance, _ = cKDTree(near[:, :2]).query(np.stack([px, py], -1), distance_upper_bound=4.0)
        share = _step((radius - np.minimum(distance, 9)) / 0.25)
        return np.ix_(row, column), share.astype(np.float32)


def _step(t: np.ndarray) -> np.ndarray:
    """Smooth step from 0 to 1 over a few units of ``t``."""
    return 1 / (1 + np.exp(-np.clip(t, -STEP_ENDS, STEP_ENDS)))
