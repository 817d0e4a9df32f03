"""A new member is one file and one line of its registry: shown with one of each kind, in a copy of the program."""

import json
import shutil
from pathlib import Path

import pytest

from dicom_files import write_table_cohort
from front_door import call_one_after_another

ROOT = Path(__file__).parents[2]
MEMBERS = {  # file -> its text
    "tune_ks/model/masks/outer.py": '''
"""The coefficients farthest from DC, DC itself, and every ``skip``-th left out: a mask of nobody's choice."""

from typing import Any

from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.masks.base import CENTRE
from tune_ks.model.masks.fixed import FixedMask

SKIP = Option("skip", 2, "every so many coefficients one comes last", int, least=1)


class Outer(FixedMask):
    def __init__(self, radius: Tensor, rate: float, *, skip: int = 2, **shared: Any) -> None:
        super().__init__(radius, rate, **shared)
        self.skip = skip

    def select(self, count: int) -> Tensor:
        outermost = self.radius.flatten().argsort(descending=True, stable=True)
        later = outermost[:: self.skip]
        sooner = outermost[[i for i in range(len(outermost)) if i % self.skip]]
        return self.first(sooner if len(sooner) >= count else later, count)


MEMBER = Member(Outer, (SKIP, CENTRE))
''',
    "tune_ks/model/transforms/negated.py": '''
"""The cosine transform with its sign turned ``turns`` times."""

from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.transforms.cosine import Cosine

TURNS = Option("turns", 1, "how often the sign turns", int, least=0)


class Negated(Cosine):
    def __init__(self, axes: tuple[int, ...] = (-1,), turns: int = 1) -> None:
        super().__init__(axes)
        self.sign = (-1) ** turns

    def forward(self, image: Tensor) -> Tensor:
        return self.sign * super().forward(image)

    def inverse(self, kspace: Tensor) -> Tensor:
        return self.sign * super().inverse(kspace)


MEMBER = Member(Negated, (TURNS,))
''',
    "tune_ks/model/reconstructions/scaled.py": '''
"""The zero-filled image times a learned number that starts at ``gain``."""

from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.options import Member, Option
from tune_ks.model.reconstructions.base import TRAINING, Reconstruction, check_epochs
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform

GAIN = Option("gain", 1.0, "where the factor starts", above=0)


class Scaled(Reconstruction):
    def __init__(self, transform: Transform, gain: float = 1.0, **training: Any) -> None:
        super().__init__(transform, **training)
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, measurement: Measurement) -> Tensor:
        return self.gain * measurement.zero_filled


MEMBER = Member(Scaled, (GAIN, *TRAINING), check_epochs, learned=True)
''',
    "tune_ks/model/classifiers/pooled.py": '''
"""One convolution, the mean over the image, one dense layer; ``kernel`` pixels wide."""

from torch import Tensor, nn

from tune_ks.core.options import Option
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, ImageClassifier, Network, at_least, widened

KERNEL = Option("kernel", 3, "pixels", int, least=1, shapes=True)


def build(width: float = 1.0, dropout: float = 0.5, kernel: int = 3) -> ImageClassifier:
    (channels,) = widened(width, 64)
    layers = (nn.Conv2d(1, channels, kernel, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ImageClassifier(nn.Sequential(*layers), channels, dropout)


MEMBER = Network(build, (WIDTH, DROPOUT, KERNEL), at_least(8))
''',
    "tune_ks/training/augmentations/turned.py": '''
"""Every ``share``-th image is turned by a quarter."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch
from tune_ks.model.transforms.base import Transform
from tune_ks.training.augmentations.base import Augmentation

SHARE = Option("turned_share", 0.5, "of the images", least=0, most=1)


@dataclass(frozen=True)
class Turned(Augmentation):
    turned_share: float = 0.5

    def draw(self, size: int, side: int, stream: np.random.Generator) -> Tensor:
        return torch.from_numpy(stream.random(size) < self.turned_share)

    def apply(self, batch: Batch, draws: Tensor) -> Batch:
        chosen = draws[:, None, None, None]
        return batch._replace(image=torch.where(chosen, batch.image.rot90(1, (-2, -1)), batch.image))

    def commutes(self, transform: Transform) -> bool:
        return False


MEMBER = Member(Turned, (SHARE,))
''',
    "tune_ks/training/schedules/halved.py": '''
"""The learning rate is halved after a share of the steps."""

from dataclasses import dataclass

from tune_ks.core.options import Member, Option
from tune_ks.training.schedules.base import Schedule

HALVED_AFTER = Option("halved_after", 0.5, "share of the steps at the whole rate", least=0, most=1)


@dataclass(frozen=True)
class Halved(Schedule):
    halved_after: float = 0.5

    def factor(self, step: int, steps: int) -> float:
        return 1.0 if step < self.halved_after * steps else 0.5


MEMBER = Member(Halved, (HALVED_AFTER,))
''',
    "tune_ks/training/tasks/smoothed.py": '''
"""Classification with labels moved by ``smoothing`` towards one half."""

from torch import Tensor
from torch.nn import functional

from tune_ks.core.options import Member, Option
from tune_ks.data.dataset import Batch
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.training.tasks.base import takes
from tune_ks.training.tasks.classification import Classification

SMOOTHING = Option("smoothing", 0.1, "of the labels", least=0, below=1)


class Smoothed(Classification):
    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        label = batch.label * (1 - self.smoothing) + self.smoothing / 2
        return functional.binary_cross_entropy_with_logits(output, label)


MEMBER = Member(Smoothed, (SMOOTHING,), takes(CLASSIFIERS))
''',
    "tune_ks/training/corruptions/darker.py": '''
"""Darker: a share of the brightness is gone."""

from torch import Tensor

STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5)


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    return (1 - strength) * image
''',
}
LINES = {  # registry -> its first line, and the same with the new member
    "tune_ks/model/masks": ("MASKS = {", 'MASKS = {"outer": outer.MEMBER, '),
    "tune_ks/model/transforms": ("TRANSFORMS = {", 'TRANSFORMS = {"negated": negated.MEMBER, '),
    "tune_ks/model/reconstructions": ("RECONSTRUCTIONS = {", 'RECONSTRUCTIONS = {"scaled": scaled.MEMBER, '),
    "tune_ks/model/classifiers": ("\nCLASSIFIERS = {", '\nCLASSIFIERS = {"pooled": pooled.MEMBER, '),
    "tune_ks/training/augmentations": ("AUGMENTATIONS = {", 'AUGMENTATIONS = {"turned": turned.MEMBER, '),
    "tune_ks/training/schedules": ("SCHEDULES = {", 'SCHEDULES = {"halved": halved.MEMBER, '),
    "tune_ks/training/tasks": ("TASKS = {", 'TASKS = {"smoothed": smoothed.MEMBER, '),
    "tune_ks/training/corruptions": (
        "CORRUPTIONS = {",
        'CORRUPTIONS = {"darker": Corruption(darker.corrupt, darker.STRENGTHS), ',
    ),
}
SPACE = """
SPACE = {
    "vendor": "GE", "sampling_rate": [0.25, 1.0],
    "mask": "outer", "skip": 3, "transform": "negated", "turns": 2, "reconstruction": "scaled", "gain": 0.5,
    "classifier": "pooled", "kernel": 5, "augment": "turned", "turned_share": 0.25,
    "schedule": "halved", "halved_after": 0.75,
    "task": "smoothed", "smoothing": 0.2,
    "width": 0.1, "image_size": 64, "epochs": 2,
}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the program with the new members, a cohort and a space of them."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("tune_ks", "analysis", "search_spaces"):
        shutil.copytree(ROOT / name, root / name)  # with what is compiled, which need not be done again
    shutil.copy(ROOT / "run_search.py", root)
    for name, text in MEMBERS.items():
        (root / name).write_text(text.lstrip())
    for folder, (before, after) in LINES.items():
        (member,) = [Path(name).stem for name in MEMBERS if Path(name).parent == Path(folder)]
        path = root / folder / "__init__.py"
        text = path.read_text()
        assert text.count(before) == 1
        text = text.replace(before, after)
        end = text.index('"""', 3) + 3  # of the docstring
        path.write_text(f"{text[:end]}\nfrom {folder.replace('/', '.')} import {member}\n{text[end:]}")
    write_table_cohort(root / "data", patients=6, side=64)
    (root / "space.py").write_text(SPACE)
    return root


@pytest.fixture(scope="module")
def ended(copy, warm_workers):
    """How three commands ended: a search, one with an option that its members do not have, and corrupted images."""
    (copy / "wrong.py").write_text('SPACE = {"mask": "lowpass", "skip": 3, "sampling_rate": 0.5, "image_size": 64}\n')
    return call_one_after_another(
        ["--data", "data", "--space", "space.py", "--run", "run", "--concurrent", "1"],
        ["--data", "data", "--space", "wrong.py", "--dry-run"],
        ["evaluate", "run", "--data", "data", "--corruptions"],
        cwd=copy,
        code=copy,
    )


def test_a_search_runs_with_a_new_member_of_every_kind_and_its_option(copy, ended):
    result, _, _ = ended
    assert result.returncode == 0, result.stdout + result.stderr
    records = [json.loads(path.read_text()) for path in copy.glob("run/trials/*/record.json")]
    assert len(records) == 2
    for record in records:
        assert record["options"]["mask"] == {"skip": 3, "centre_fraction": 0.0}
        assert record["options"]["transform"] == {"turns": 2}
        assert record["options"]["reconstruction"]["gain"] == 0.5
        assert record["options"]["classifier"] == {"width": 0.1, "dropout": 0.5, "kernel": 5}
        assert record["options"]["augment"] == {"turned_share": 0.25}
        assert record["options"]["schedule"] == {"halved_after": 0.75}
        assert record["options"]["task"] == {"smoothing": 0.2}
    assert (copy / "run/report.html").exists()


def test_its_option_is_refused_where_no_named_member_has_it(ended):
    _, result, _ = ended
    assert result.returncode == 2
    assert "skip is an option of the mask outer, and this trial's mask is lowpass" in result.stderr


def test_a_new_corruption_is_applied_and_drawn(copy, ended):
    _, _, result = ended
    assert result.returncode == 0, result.stdout + result.stderr
    (table,) = copy.glob("run/corruptions/*.csv")
    assert "darker" in table.read_text()
