"""The centred Fourier transform of arrays, against its sum over all pixels."""

import numpy as np
import pytest
import scipy.fft

from tune_ks.data.kspace import to_image, to_kspace


def by_its_sum(image):
    """F[k] = sum_n x[n] exp(-2 pi i (k - c)(n - c) / N) / sqrt(N), c = N // 2, along both axes."""
    matrices = []
    for size in image.shape:
        index = np.arange(size) - size // 2
        matrices.append(np.exp(-2j * np.pi * np.outer(index, index) / size) / np.sqrt(size))
    return matrices[0] @ image @ matrices[1].T


@pytest.mark.parametrize("fft", [np.fft, scipy.fft], ids=["numpy", "scipy"])
@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (6, 9)])
def test_transform_is_its_sum_and_its_inverse_undoes_it(shape, fft):
    image = np.random.default_rng(0).standard_normal(shape)
    expected = by_its_sum(image)
    assert np.allclose(to_kspace(image, fft=fft), expected)
    assert np.allclose(to_kspace(image, "forward", fft), expected / np.sqrt(image.size))
    assert to_kspace(image, "forward", fft)[shape[0] // 2, shape[1] // 2] == pytest.approx(image.mean())  # DC
    for norm in ("ortho", "forward"):
        assert np.allclose(to_image(to_kspace(image, norm, fft), norm, fft), image)
