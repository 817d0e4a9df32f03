"""The dipole model: its kernel against a definition by sums, 2-D against 3-D, a sphere, padding, units, directions."""

import numpy as np
import pytest

from tune_ks.data.dipole import (
    GAMMA_MHZ_PER_T,
    b0_in_image_axes,
    dipole_field,
    dipole_kernel,
    hz_of_ppm,
    ppm_of_hz,
    truncated_division,
)

OBLIQUE = (0.36, 0.48, 0.8)  # a unit vector
VOXEL = (1.0, 0.7, 1.9)


def disc(side, radius, centre=None, dimensions=2):
    at = np.indices((side,) * dimensions) - (side // 2 if centre is None else np.reshape(centre, (-1, 1, 1)))
    return (np.sqrt((at**2).sum(0)) <= radius).astype(float)


@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6)])
def test_the_kernel_is_its_definition_for_every_frequency(shape):
    voxel, b0 = VOXEL[: len(shape)], OBLIQUE[: len(shape)]
    kernel = dipole_kernel(shape, voxel, b0)
    met = 0
    for index in np.ndindex(*shape):
        k = [(n if n < (size + 1) // 2 else n - size) / (size * v) for n, size, v in zip(index, shape, voxel)]
        length2 = sum(value**2 for value in k)
        along = sum(value * direction for value, direction in zip(k, b0))
        assert kernel[index] == pytest.approx(1 / 3 - along**2 / length2 if length2 else 0.0)
        met += 1
    assert met == np.prod(shape)


def test_b0_across_an_object_that_does_not_vary_along_it_gives_a_third_of_its_susceptibility():
    chi = np.random.default_rng(0).standard_normal((16, 12))
    chi -= chi.mean()  # D(0) = 0 takes the mean away
    np.testing.assert_allclose(dipole_field(chi, (1.0, 2.0), (0.0, 0.0), padding=1), chi / 3, atol=1e-8)


def test_a_slice_is_exact_for_an_object_that_does_not_vary_across_slices():
    """The third axis goes on periodically, the other two are padded, in 3-D as in 2-D."""
    chi = np.random.default_rng(1).standard_normal((12, 10))
    solid = np.pad(np.repeat(chi[..., None], 7, axis=2), ((0, 12), (0, 10), (0, 0)))
    of_solid = dipole_field(solid, VOXEL, OBLIQUE, padding=1)[:12, :10]
    of_slice = dipole_field(chi, VOXEL[:2], OBLIQUE[:2])
    assert np.abs(of_slice).max() > 0.1
    for slice_ in range(7):
        np.testing.assert_allclose(of_solid[..., slice_], of_slice, atol=1e-12)


def test_the_field_of_a_sphere_is_that_of_a_point_dipole_outside_and_none_inside():
    """chi / 3 (a / r)^3 (3 cos^2 - 1) outside; 0 inside, with the sphere of Lorentz. Roughly, on a grid of voxels."""
    side, radius = 32, 6
    chi = disc(side, radius, dimensions=3)
    b0 = np.array(OBLIQUE)
    field = dipole_field(chi, (1.0, 1.0, 1.0), b0)
    at = np.indices(chi.shape) - side // 2
    distance = np.sqrt((at**2).sum(0))
    volume = chi.sum() / (4 / 3 * np.pi)  # a^3 of the sphere of voxels
    outside = (distance > radius + 2) & (distance < 13)
    cosine = np.tensordot(b0, at, 1)[outside] / distance[outside]
    expected = volume / 3 / distance[outside] ** 3 * (3 * cosine**2 - 1)
    assert np.linalg.norm(field[outside] - expected) < 0.15 * np.linalg.norm(expected)
    assert np.sqrt((field[distance < radius - 2] ** 2).mean()) < 0.02


def test_padding_keeps_the_field_from_coming_back_in_at_the_other_side():
    chi = disc(32, 4, centre=(4, 16))
    truth = dipole_field(chi, (1.0, 1.0), (0.6, 0.8), padding=8)
    errors = [np.abs(dipole_field(chi, (1.0, 1.0), (0.6, 0.8), padding) - truth).max() for padding in (1, 2)]
    assert errors[1] < errors[0] / 5
    assert errors[1] < 0.02


def test_ppm_and_hz_are_each_others_inverse():
    assert hz_of_ppm(1.0, 3.0) == pytest.approx(127.732, abs=1e-3)  # of 127.7 MHz at 3 T
    assert ppm_of_hz(hz_of_ppm(0.123, 7.0), 7.0) == pytest.approx(0.123)
    assert ppm_of_hz(1.0, 1.5) == pytest.approx(1e6 / (GAMMA_MHZ_PER_T * 1e6 * 1.5))


@pytest.mark.parametrize("shape", [(8, 6), (4, 5, 6)])
def test_truncated_division_is_its_definition(shape):
    """Frequency by frequency, by sums over voxels without an FFT."""
    field = np.random.default_rng(2).standard_normal(shape)
    voxel, b0, threshold = VOXEL[: len(shape)], OBLIQUE[: len(shape)], 0.2
    result = truncated_division(field, voxel, b0, threshold, padding=1)
    places = list(np.ndindex(*shape))
    waves = np.exp(2j * np.pi * np.array([[np.dot(k, np.divide(n, shape)) for n in places] for k in places]))
    spectrum = waves.conj() @ field.ravel()
    kernel = dipole_kernel(shape, voxel, b0).ravel()
    small = 0
    for number, value in enumerate(kernel):
        if abs(value) < threshold:
            value = threshold if value >= 0 else -threshold
            small += 1
        spectrum[number] = spectrum[number] / value if number else 0
    assert small > 3
    np.testing.assert_allclose(result.ravel(), (waves @ spectrum).real / len(places), atol=1e-10)


def test_truncated_division_inverts_a_field_without_small_frequencies():
    """With b0 across the plane D is 1/3 everywhere but at 0: the division gives back all but the mean."""
    chi = np.random.default_rng(3).standard_normal((9, 8))
    field = dipole_field(chi, (1.0, 1.0), (0.0, 0.0), padding=1)
    np.testing.assert_allclose(truncated_division(field, (1, 1), (0, 0), padding=1), chi - chi.mean(), atol=1e-12)


def test_b0_comes_from_the_orientation():
    assert b0_in_image_axes([1, 0, 0, 0, 1, 0]) == (0, 0, 1)  # axial: across the slices
    assert b0_in_image_axes([1, 0, 0, 0, 0, -1]) == (0, 1, 0)  # coronal, head up: along a column
    assert b0_in_image_axes([0, 1, 0, 0, 0, -1]) == (0, 1, 0)  # sagittal
    angle = np.deg2rad(25)
    tilted = b0_in_image_axes([1, 0, 0, 0, np.sin(angle), -np.cos(angle)])
    np.testing.assert_allclose(tilted, (0, -np.cos(angle), np.sin(angle)), atol=1e-12)
    rng = np.random.default_rng(4)
    for _ in range(20):  # a rotation's columns are the image's axes: its transpose turns the patient's z into them
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
        b0 = np.array(b0_in_image_axes([*axes[:, 0], *axes[:, 1]]))
        assert min(np.abs(b0 - axes[2]).max(), np.abs(b0 + axes[2]).max()) < 1e-9
        assert b0[2] > 0


def test_directions_that_are_none_are_refused():
    for orientation in ([1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0], [1, 0, 0, 0, 1]):
        with pytest.raises(ValueError, match="two unit vectors at right angles"):
            b0_in_image_axes(orientation)
