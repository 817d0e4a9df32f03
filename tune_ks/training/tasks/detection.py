"""Detection: does an image show a tumour, and where? The metric is the area under the LROC curve."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import MISSED
from tune_ks.core.options import Member, Option
from tune_ks.core.record import BEST_POSITION
from tune_ks.data.dataset import CHUNK, Batch, Images, Splits
from tune_ks.model.classifiers import DETECTORS
from tune_ks.training.tasks.base import Task, takes
from tune_ks.training.tasks.boxes import candidates, centres, inside, true_boxes

ALPHA = 2  # of the focal loss: how little a pixel counts that is already right
BETA = 4  # how little a pixel near a centre counts as one without a centre
NARROWEST = 0.5  # pixels, the least deviation of a peak


class Detection(Task):
    """Objects as points (Zhou et al., arXiv:1904.07850). A detector gives three maps of each image: the logit z of a
    tumour's centre, and the height h and width w of its box as shares of the image's side S. With p = sigmoid(z):

        L = mean over images of [ focal + size_weight S (|h - h*| + |w - w*|) ]
        focal = - sum over pixels of (1 - p)^2 log p                 at the centre of the true box
                                     (1 - Y)^4 p^2 log(1 - p)        elsewhere
        Y = exp(-(r - r*)^2 / (2 s_h^2) - (c - c*)^2 / (2 s_w^2)),   s_h = max(peak_share S h*, 1/2)

    The true box has its centre at row r* and column c*; h and w are read there. An image without a tumour has Y = 0 and
    no size. The sums are of each image, never divided by the number of boxes in a batch, so that a batch in parts has
    the same gradient.

    A candidate is a local maximum of z. An answer is right, a **hit**, where the best candidate's centre lies in the
    true box, border included. The score of an image is the best candidate's logit, but MISSED where the image has a
    tumour and the answer is no hit: the AUC of such scores is the area under the LROC curve, the share of tumours hit
    against the share of healthy images called, over all thresholds (Popescu, Med. Phys. 2007). A tumour too small for
    any pixel of the mask cannot be hit.
    """

    metric = "lroc"
    target = "box"
    details_file = "candidates.npz"

    def __init__(self, size_weight: float = 0.1, peak_share: float = 0.2, candidates: int = 5) -> None:
        super().__init__()
        self.size_weight = size_weight
        self.peak_share = peak_share

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        box = true_boxes(batch.target)
        focal = focal_loss(output[:, 0], peaks(box, output.shape[-1], self.peak_share))
        return (focal + self.size_weight * size_loss(output[:, 1:], box)).mean()

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """(B,) as the class says. ValueError for a batch without masks: no answer can be judged right."""
        if batch.target.shape[1] == 0:
            raise ValueError("the score of a detection needs the masks of the tumours, and this batch has none")
        best = candidates(output, 1)
        is_hit = inside(true_boxes(batch.target), best.row, best.column)[:, 0]
        logit = best.logit[:, 0]
        return torch.where((batch.label == 1) & ~is_hit & ~logit.isnan(), MISSED, logit)

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """The best candidate of each image, all (B,): its ``logit``, its centre and its box's size in pixels."""
        best = candidates(output, 1)
        centre = {"row_centre": best.row[:, 0], "column_centre": best.column[:, 0]}
        size = {"height": best.height[:, 0], "width": best.width[:, 0]}
        return {"logit": best.logit[:, 0], **centre, **size}

    @classmethod
    def details(cls, output: Tensor, batch: Batch, config: TrialConfig) -> dict[str, Tensor]:
        """The candidates of each image (B, K), the best first, in pixels; ``logit`` is NaN where there are fewer.

        ``hit`` (B, K) says whether a candidate's centre lies in ``true_box`` (B, 4): top, left, height, width, NaN
        where there is none. Needs no masks.
        """
        places = candidates(output, CANDIDATES.checked(config.options.get(CANDIDATES.name, CANDIDATES.default)))
        box = true_boxes(batch.target) if batch.target.shape[1] else output.new_full((len(output), 4), torch.nan)
        is_hit = inside(box, places.row, places.column) & ~places.logit.isnan()
        centre = {"row_centre": places.row.short(), "column_centre": places.column.short()}
        size = {"height": places.height, "width": places.width}
        return {**centre, **size, "logit": places.logit, "hit": is_hit, "true_box": box}

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, dict[str, float]]:
        """Half the share of test tumours that the best fixed position hits, by vendor; NaN where there is no tumour.

        It answers the same pixel with the same score in every image: a tumour that is hit ties with every healthy
        image, one that is missed loses to all. The pixel lies in more boxes of training images than any other; of
        several such pixels it is the first one, row by row.
        """
        side = splits.train.side
        best = int(sum((covered.sum(0) for covered in _covered(splits.train)), torch.zeros(())).argmax())
        of_vendor = {}
        for vendor, images in splits.test.items():
            hits = sum(int(covered[:, best // side, best % side].sum()) for covered in _covered(images))
            tumours = int((images.label == 1).sum())
            of_vendor[vendor] = hits / tumours / 2 if tumours else float("nan")
        return {BEST_POSITION: of_vendor}


def peaks(box: Tensor, side: int, peak_share: float) -> Tensor:
    """(B, 4) boxes -> Y (B, S, S), exactly 1 at a centre; 0 where an image has no box."""
    row, column = centres(box)
    height, width = box[:, 2:].nan_to_num(0.0).unbind(1)
    place = torch.arange(side, device=box.device)
    along_rows = _bell(place - row[:, None], height * peak_share)
    along_columns = _bell(place - column[:, None], width * peak_share)
    return along_rows[:, :, None] * along_columns[:, None, :] * (height > 0)[:, None, None]


def _bell(distance: Tensor, deviation: Tensor) -> Tensor:
    """(B, S) distances and (B,) deviations -> exp(-d^2 / (2 s^2))."""
    deviation = deviation.clamp(min=NARROWEST)[:, None]
    return (-((distance / deviation) ** 2) / 2).exp()


def focal_loss(logit: Tensor, peak: Tensor) -> Tensor:
    """(B, S, S) logits and Y -> (B,) sums over the pixels, as the class says."""
    probability = logit.sigmoid()
    at_centre = (1 - probability) ** ALPHA * functional.logsigmoid(logit)
    elsewhere = (1 - peak) ** BETA * probability**ALPHA * functional.logsigmoid(-logit)
    return -torch.where(peak == 1, at_centre, elsewhere).sum((1, 2))


def size_loss(size: Tensor, box: Tensor) -> Tensor:
    """(B, 2, S, S) maps of height and width as shares of S -> (B,) pixels that both miss the true box's by together."""
    side = size.shape[-1]
    row, column = centres(box)
    at_centre = size.flatten(2).gather(2, (row * side + column)[:, None, None].expand(-1, 2, 1))[:, :, 0]
    apart = (at_centre * side - box[:, 2:].nan_to_num(0.0)).abs().sum(1)
    return torch.where(box[:, 0].isnan(), 0.0, apart)


def _covered(images: Images) -> Iterator[Tensor]:
    """(B, S, S) of 0 and 1, chunk by chunk: the pixels in the true box of each image."""
    place = torch.arange(images.side)
    for index in torch.arange(len(images)).split(CHUNK):
        top, left, height, width = true_boxes(images.target(index).float())[:, :, None].unbind(1)
        rows = (place >= top) & (place < top + height)
        columns = (place >= left) & (place < left + width)
        yield (rows[:, :, None] & columns[:, None, :]).float()


SIZE_WEIGHT = Option("size_weight", 0.1, "how much a pixel of a box's height or width counts in the loss", least=0)
PEAK_SHARE = Option("peak_share", 0.2, "deviation of the peak at a true centre, as a share of the box's side", above=0)
CANDIDATES = Option("candidates", 5, "places in each image that are kept and that FROC counts", int, least=1, most=5)
MEMBER = Member(Detection, (SIZE_WEIGHT, PEAK_SHARE, CANDIDATES), takes(DETECTORS), takes_coils=True)
