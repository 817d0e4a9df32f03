"""The parts of an export against their plain twins: the network, its transform by matrices, the scaling of a series."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dicom_files import AXIAL, write_dicom
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import read_table
from tune_ks.data.dataset import all_images
from tune_ks.data.dicom.reader import read_file
from tune_ks.evaluation import exported_model as exported_model_module
from tune_ks.evaluation.exported_model import ByMatrices, ExportedMask, ExportedModel, require_onnx
from tune_ks.evaluation.load_exported import read_npy, scaled
from tune_ks.evaluation.mask_files import mask_csv, mask_lines
from tune_ks.model.per_image import convolve_each, convolve_unfolded
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.transforms import TRANSFORMS
from tune_ks.training.scoring import score

CASES = [
    {"test_time": "flips", "standardise": "image"},
    {"classifier": "alexnet_hyper", "rate_from": 0.1, "temperature_from": 0.5, "temperature_to": 2.0},
    {"classifier": "alexnet_adaptive", "reconstruction": "hqs_net", "reconstruction_channels": 4},
    {
        "reconstruction": "hyper_recon",
        "reconstruction_weight": 1.0,
        "hyper_channels": 4,
        "loss_mix": 0.9,
        "loss_mix_drawn": "uniform",
    },
    {"pattern": "points", "image_size": 80},
    {"sampling_rate": 1.0},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case.values())))
def test_the_network_scores_as_the_project_does(tmp_path, case):
    table, pixels = write_tiny(tmp_path, patients=3, per_patient=2)
    images = all_images(read_table(table), pixels)
    values = {"sampling_rate": 0.25, "temperature": 1.0, "width": 0.05, "image_size": 64} | case
    config = TrialConfig("GE", **values)
    torch.manual_seed(0)
    pipeline = build_pipeline(config, 64)
    torch.nn.init.normal_(pipeline.sampling.mask.mask_logits)
    by_project = score(pipeline, images, config)
    batch = images.gather(torch.arange(len(images)))
    exported = ExportedModel(pipeline, config, 64)(batch.image, batch.acquisition)
    np.testing.assert_allclose(exported, by_project, rtol=0, atol=1e-6)


def test_a_harmonisation_of_another_package_is_refused(monkeypatch):
    config = TrialConfig("GE", 0.5, mask="lowpass", harmonise="n4", image_size=64)
    monkeypatch.setattr(exported_model_module, "load_model", lambda folder, record: build_pipeline(config, 64))
    with pytest.raises(ValueError, match="'n4', which another package computes: an exported network cannot hold it"):
        exported_model_module.exported_model(None, SimpleNamespace(config=config, facts={}))


def test_a_segmenter_gives_its_map():
    config = TrialConfig("GE", 0.5, task="segmentation", classifier="unet", mask="lowpass", width=0.1, image_size=64)
    pipeline = build_pipeline(config, 32).eval()
    image = torch.rand(2, 1, 32, 32)
    acquisition = torch.full((2, 7), torch.nan)
    with torch.no_grad():
        by_pipeline = pipeline(image, torch.full((2,), 0.5), acquisition)
    exported = ExportedModel(pipeline, config, 32)(image, acquisition)
    torch.testing.assert_close(exported, by_pipeline, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "axes"), [*itertools.product(TRANSFORMS, [(-1,), (-2, -1)])])
def test_matrices_do_what_the_transform_does(name, axes):
    transform = TRANSFORMS[name].build(axes=axes)
    image = torch.rand(2, 1, 32, 32)
    mask = (torch.rand(1, 1, 1 if len(axes) == 1 else 32, 32) < 0.5).float()
    by_matrices = ByMatrices(transform, 32).magnitude(image, mask)
    torch.testing.assert_close(by_matrices, transform.magnitude(image, mask), rtol=0, atol=1e-5)


def test_convolutions_of_patches_are_those_of_groups():
    image = torch.rand(3, 2, 17, 17)
    kernel = torch.rand(3, 4, 2, 5, 5)
    bias = torch.rand(3, 4)
    for stride, padding in ((1, 2), (4, 2), (2, 0)):
        of_groups = convolve_each(image, kernel, bias, stride, padding)
        torch.testing.assert_close(convolve_unfolded(image, kernel, bias, stride, padding), of_groups)


@pytest.mark.parametrize("intensity", ["series", "image"])
def test_a_series_is_scaled_as_the_cohort_was(tmp_path, intensity):
    rng = np.random.default_rng(0)
    stored = []
    for number in range(3):
        pixels = rng.integers(0, 1000 * (number + 1), (72, 60)).astype(np.uint16)
        path = write_dicom(tmp_path / f"data/P/{number}.dcm", pixels, ImageOrientationPatient=AXIAL)
        stored.append(read_file(path).image)
    settings = CohortSettings(intensity=intensity)
    cohort = open_cohort(tmp_path / "data", settings, 64, tmp_path / "cache", 1, labels_required=False)
    np.save(tmp_path / "series.npy", np.stack(stored))
    series = read_npy(tmp_path / "series.npy")
    torch.testing.assert_close(series, torch.tensor(np.stack(stored)))
    images = scaled(series, 64, intensity)
    np.testing.assert_allclose(images[:, 0], np.load(cohort.images), rtol=0, atol=1e-5)


def test_files_that_are_no_series_are_refused(tmp_path):
    np.save(tmp_path / "words.npy", np.array(["a"]))
    (tmp_path / "text.npy").write_text("no array")
    for name, said in (("words.npy", "must hold numbers"), ("text.npy", "is no .npy file")):
        with pytest.raises(ValueError, match=said):
            read_npy(tmp_path / name)
    with pytest.raises(ValueError, match="cannot be enlarged"):
        scaled(torch.rand(1, 32, 32), 64)
    with pytest.raises(ValueError, match="same value everywhere"):
        scaled(torch.ones(1, 64, 64), 64)


def test_masks_of_points_and_of_other_transforms_are_written_too():
    kept = np.zeros((4, 4), bool)
    kept[2, 2] = kept[0, 3] = kept[2, 1] = True
    mask = ExportedMask(kept, kept.astype(np.float32), (2, 2))
    table = mask_csv(mask).splitlines()
    assert table[0] == "index,k_row,k_column,kept,probability"
    assert table[1] == "0,-2,-2,0,0"
    assert table[11] == "10,0,0,1,1"
    rows = [line for line in mask_lines(mask, is_fourier=True).splitlines() if not line.startswith("#")]
    assert rows == ["0 -2 1 2", "1 0 -1 1", "2 0 0 0"]
    assert all(line.startswith("#") for line in mask_lines(mask, is_fourier=False).splitlines())


def test_what_onnx_lacks_is_refused_before_anything_is_written():
    config = TrialConfig("GE", 0.5, mask="lowpass", reconstruction="hqs_net")
    with pytest.raises(ValueError, match="can not hold 'hqs_net': it passes complex images"):
        require_onnx(config)
