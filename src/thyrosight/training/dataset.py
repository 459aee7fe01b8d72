"""Cases -> Samples -> Batches: each view of each case, letterboxed and augmented.

The order of samples and their augmentation depend only on the seed, the epoch and the position in the epoch. So they
are the same in a resumed run, with another number of workers, and over several processes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from thyrosight.config import AugmentConfig, Config, DataConfig
from thyrosight.datasets.case_image import load_image
from thyrosight.datasets.masks import load_mask
from thyrosight.errors import InputError
from thyrosight.measurement.outlines import bounding_box, components
from thyrosight.tirads.descriptors import LEXICON
from thyrosight.training.augment import View, augment
from thyrosight.training.batch import Batch, Sample
from thyrosight.training.closer_views import closer_part
from thyrosight.types import BoolArray, Box, Case, UInt8Array
from thyrosight.views.boxes import BoxMasks, box_masks, clipped
from thyrosight.views.field import field_of_view, find_panels
from thyrosight.views.letterbox import letterbox
from thyrosight.views.screen_text import without_text


@dataclass(frozen=True)
class ViewRef:
    """One view of one case, not decoded yet: index of the case, index of the view, box of the view."""

    case_index: int
    view_index: int
    box: Box


def case_views(case: Case, settings: DataConfig) -> tuple[Box, ...]:
    """Case -> the boxes of its views. Reads the image only where cases.csv has no field, or data.crop is "none"."""
    if settings.crop == "none" or case.fov is None:
        frame = load_image(case)
        height, width = frame.size_hw
        whole = Box(0, 0, width, height)
        if settings.crop == "none":
            return (whole,)
        field = field_of_view(frame.image_HW, frame.rgb_HW3, frame.regions)
        return find_panels(frame.image_HW, field) if settings.views == "panels" else (field,)
    if settings.views == "frame" or not case.panels:
        return (case.fov,)
    return case.panels


def _field(case: Case, ref: ViewRef) -> Box:
    """-> the field of the case; the box of `ref` where cases.csv has no field."""
    return case.fov or ref.box


def size_at(settings: DataConfig, progress: float) -> tuple[int, int]:
    """Share of the epochs that are done, 0 to 1 -> (rows, columns) of a training input, by data.size_steps.

    A scaled size is rounded to multiples of 32.
    """
    for share, scale in settings.size_steps:
        if progress < share:
            rows, columns = (max(32, round(side * scale / 32) * 32) for side in settings.size_hw)
            return rows, columns
    return settings.size_hw


def terms_of(case: Case) -> tuple[int, ...]:
    """Case -> per descriptor of the lexicon, the index of its term; -1 where the case has none."""
    return tuple(
        terms.index(case.descriptors[name]) if case.descriptors.get(name) in terms else -1
        for name, terms in LEXICON.items()
    )


class ViewDataset(Dataset[Sample]):
    """Views by number. The augmentation of `dataset[epoch, place, number]` depends only on this key and the seed."""

    def __init__(self, cases: Sequence[Case], config: Config, *, augmented: bool) -> None:
        self.cases = list(cases)
        self.settings = config.data
        self.augment: AugmentConfig = config.augment if augmented else replace(config.augment, enabled=False)
        self.seed = config.run.seed
        # Validation has the full size from the first epoch on.
        self.epochs = config.optim.epochs if augmented else 0
        self.risk_sources = set(config.data.malignancy_sources)
        self.questions = config.network.questions
        self.views = [
            ViewRef(index, view, box)
            for index, case in enumerate(self.cases)
            for view, box in enumerate(case_views(case, config.data))
        ]
        self._cache: OrderedDict[int, tuple[UInt8Array, BoolArray]] = OrderedDict()
        self._cached_bytes = 0

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, key: int | tuple[int, int, int]) -> Sample:
        epoch, place, number = key if isinstance(key, tuple) else (0, 0, key)
        ref = self.views[number]
        case = self.cases[ref.case_index]
        image_HW, mask_HW = self._decoded(number)
        size_hw = size_at(self.settings, epoch / self.epochs) if self.epochs else self.settings.size_hw
        part = self._part(case, ref.box, mask_HW, np.random.default_rng([self.seed, 12, epoch, place, number]))
        image_HW, mask_HW = image_HW[part.slices], mask_HW[part.slices]
        box = letterbox(Box(0, 0, part.width, part.height), size_hw)
        shown = part.moved(ref.box.x0, ref.box.y0)
        boxed = box_masks(case.boxes, shown) if case.boxes and case.mask is None else None
        further = () if boxed is None else tuple(box.mask(part_HW) for part_HW in boxed)
        # Where boxes replace the outline, calipers are drawn on their ellipses.
        outline_HW = box.mask(mask_HW) if boxed is None else further[1]
        view: View = (box.image(image_HW), outline_HW, box.valid(), *further)
        if self.augment.enabled:
            view = augment(view, self.augment, np.random.default_rng([self.seed, epoch, place, number]))
        is_healthy = case.source in self.settings.healthy_sources
        is_outlined = case.mask is not None and case.target in self.settings.mask_targets and not is_healthy
        malignancy = self._malignancy(case)
        question, risk = self._risk(case, malignancy)
        return Sample(
            image_HW=view[0],
            mask_HW=view[1] if is_outlined else np.zeros_like(view[1]),
            valid_HW=view[2],
            has_mask=is_outlined or is_healthy,
            malignancy=malignancy,
            risk=risk,
            gland_HW=view[1] if case.mask is not None and case.target == "gland" else None,
            descriptors=terms_of(case),
            case_index=ref.case_index,
            view_index=ref.view_index,
            boxes=BoxMasks._make(view[3:]) if boxed is not None else None,
            question=question,
        )

    def _part(self, case: Case, view: Box, mask_HW: BoolArray, rng: np.random.Generator) -> Box:
        """-> the box that the sample shows, in the view's own pixels: the whole view, or a part around a nodule."""
        height, width = mask_HW.shape
        if not self.augment.enabled or rng.random() >= self.augment.closer:
            return Box(0, 0, width, height)
        nodules: list[Box] = []
        if case.mask is None:
            parts = [clipped(box, view) for box in case.boxes]
            nodules = [part.moved(-view.x0, -view.y0) for part in parts if part is not None]
        elif case.target in self.settings.mask_targets and case.source not in self.settings.healthy_sources:
            nodules = [bounding_box(nodule_HW) for nodule_HW in components(mask_HW)]
        return closer_part(nodules, (height, width), rng)

    def _malignancy(self, case: Case) -> int:
        if case.malignancy is None or (self.risk_sources and case.source not in self.risk_sources):
            return -1
        if case.source in self.settings.question_of_source:
            return -1
        return case.malignancy

    def _risk(self, case: Case, malignancy: int) -> tuple[int, float]:
        """A case and its label for the network's own question -> (the question that it answers, its risk or -1)."""
        name = self.settings.question_of_source.get(case.source)
        if name is None:
            return 0, malignancy if malignancy < 0 else self._grade(case, malignancy)
        return 1 + self.questions.index(name), -1 if case.malignancy is None else self._grade(case, case.malignancy)

    def _grade(self, case: Case, malignancy: int) -> float:
        """A labelled case -> its target risk: the one that the settings give its TI-RADS category, else its label."""
        return self.settings.risk_of_category.get(case.descriptors.get("tirads", ""), float(malignancy))

    def _decoded(self, number: int) -> tuple[UInt8Array, BoolArray]:
        """-> the view's own pixels and mask. Recent views stay in memory, as far as `cache_mb` allows."""
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        ref = self.views[number]
        case = self.cases[ref.case_index]
        frame = load_image(case)
        rows, columns = ref.box.slices
        # As in prediction: text inside the field must not influence the network.
        clean_HW = (
            frame.image_HW if self.settings.crop == "none" else without_text(frame.image_HW, _field(case, ref))[0]
        )
        image_HW = clean_HW[rows, columns].copy()
        if image_HW.size == 0:
            raise InputError(f"{case.image}: view {tuple(ref.box)} is outside the image; run prepare again")
        mask_HW = load_mask(case, frame.size_hw)[rows, columns].copy()
        self._cache[number] = (image_HW, mask_HW)
        self._cached_bytes += image_HW.nbytes + mask_HW.nbytes
        while self._cached_bytes > self.settings.cache_mb * 2**20:
            _, (old_image, old_mask) = self._cache.popitem(last=False)
            self._cached_bytes -= old_image.nbytes + old_mask.nbytes
        return image_HW, mask_HW


class EpochSampler(Sampler[tuple[int, int, int]]):
    """Keys of ViewDataset for one epoch, for one of `world` processes; these share each global batch evenly.

    An incomplete last batch is filled with the first samples of the epoch, so that every step has `batch_size` samples.
    """

    def __init__(self, dataset: ViewDataset, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if batch_size % world:
            raise InputError(f"optim.batch_size {batch_size} can't be divided evenly among {world} processes")
        self.dataset, self.batch_size, self.seed, self.rank, self.world = dataset, batch_size, seed, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """TrainingModule calls this before each epoch."""
        self.epoch = epoch

    def _numbers(self) -> list[int]:
        rng = np.random.default_rng([self.seed, 11, self.epoch])
        repeat = self.dataset.settings.repeat
        by_source: dict[str, list[int]] = {}
        for number, ref in enumerate(self.dataset.views):
            by_source.setdefault(self.dataset.cases[ref.case_index].source, []).append(number)
        numbers: list[int] = []
        for source in sorted(by_source):
            times, own = repeat.get(source, 1.0), by_source[source]
            numbers += own * int(times)
            part = round((times - int(times)) * len(own))
            numbers += [own[index] for index in rng.permutation(len(own))[:part]]
        order = rng.permutation(len(numbers))
        numbers = [numbers[index] for index in order]
        short = -len(numbers) % self.batch_size
        return (numbers + (numbers * (short // max(len(numbers), 1) + 1))[:short]) if numbers else []

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        for place, number in enumerate(self._numbers()):
            if place % self.world == self.rank:
                yield (self.epoch, place, number)

    def __len__(self) -> int:
        return len(self._numbers()) // self.world


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples -> Batch of tensors."""
    no_boxes = np.zeros((3, *samples[0].mask_HW.shape), np.float32)
    boxes = [no_boxes if sample.boxes is None else np.stack(sample.boxes).astype(np.float32) for sample in samples]
    glands = [np.zeros_like(sample.mask_HW) if sample.gland_HW is None else sample.gland_HW for sample in samples]
    return Batch(
        image_B1HW=torch.from_numpy(np.stack([sample.image_HW for sample in samples])[:, None]),
        mask_B1HW=torch.from_numpy(np.stack([sample.mask_HW for sample in samples])[:, None].astype(np.float32)),
        valid_B1HW=torch.from_numpy(np.stack([sample.valid_HW for sample in samples])[:, None]),
        has_mask_B=torch.tensor([sample.has_mask for sample in samples], dtype=torch.bool),
        malignancy_B=torch.tensor([sample.malignancy for sample in samples], dtype=torch.int64),
        risk_B=torch.tensor([sample.risk for sample in samples], dtype=torch.float32),
        gland_B1HW=torch.from_numpy(np.stack(glands)[:, None].astype(np.float32)),
        has_gland_B=torch.tensor([sample.gland_HW is not None for sample in samples], dtype=torch.bool),
        descriptors_BD=torch.tensor([sample.descriptors for sample in samples], dtype=torch.int64),
        box_B3HW=torch.from_numpy(np.stack(boxes)),
        has_box_B=torch.tensor([sample.boxes is not None for sample in samples], dtype=torch.bool),
        question_B=torch.tensor([sample.question for sample in samples], dtype=torch.int64),
    )


def training_loader(dataset: ViewDataset, config: Config, rank: int = 0, world: int = 1) -> DataLoader[Sample]:
    """Batches of `optim.batch_size / world` samples in the epoch's order."""
    sampler = EpochSampler(dataset, config.optim.batch_size, config.run.seed, rank, world)
    return DataLoader(
        dataset,
        batch_size=config.optim.batch_size // world,
        sampler=sampler,
        collate_fn=collate,
        num_workers=config.data.num_workers,
        persistent_workers=config.data.num_workers > 0,
    )


def validation_loader(dataset: ViewDataset, config: Config) -> DataLoader[Sample]:
    """Each view once, in order, without augmentation."""
    return DataLoader(dataset, batch_size=config.optim.batch_size, collate_fn=collate)
