"""The settings of a training run: one frozen tree, with what each means. Config is its root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class NetworkConfig:
    """Which network, and its size and parts. The docstring of each network says what `init` and `dropout` do in it."""

    name: str = "unet"
    """A name of `networks.NETWORKS`: `unet`, `vnet2d` (the original) or another; an unknown name is refused with the
    known ones."""
    encoder: Literal["lite0", "lite1", "lite2"] = "lite0"
    pretrained: bool = True
    head: Literal["map", "pooled"] = "map"
    dropout: float = 0.2
    drop_path: float = 0.1
    frozen_stages: int = 0
    """The stem and this many first stages of the encoder are not trained; 0 trains all."""
    auxiliary: tuple[Literal["gland", "descriptors"], ...] = ()
    """Extra tasks that `unet` learns in training only; a bundle does not output them. `gland`: the thyroid's outline,
    from rows with a mask of the gland. `descriptors`: terms of the TI-RADS lexicon, from rows that have them."""
    questions: tuple[str, ...] = ()
    """Further risks that `unet` learns, for example `reading` and `breast`. Each risk has a head of its own on the
    shared features. data.question_of_source says which sets have labels for it. A bundle answers one question: `export
    --question`."""
    init: Literal["original", "he"] = "original"
    width: int = 32
    """Channels of the first stage, where a network has a choice. `resenc` and `monai_unet` double them per stage, up to
    16 times (nnU-Net: 32)."""
    start_from: str = ""
    """The bundle whose weights the run begins with: a path (relative to the working directory) or `shipped`; empty for
    none. Where it is a folder that cross-validate wrote, each fold begins with that folder's bundle of the same fold.
    Use the same run.seed and validation_share as there, so that both runs keep the same validation groups. A bundle
    that has learned from rows of the scored fold is refused."""


@dataclass(frozen=True)
class DataConfig:
    """How an image becomes the network's input, and which rows take part."""

    size_hw: tuple[int, int] = (256, 256)
    size_steps: tuple[tuple[float, float], ...] = ()
    """Pairs (share of the epochs, scale) with rising shares. Until that share of the epochs is done, `size_hw` is
    multiplied by the scale and rounded to multiples of 32. From small inputs the network learns in a fraction of the
    time where a nodule is; from full size, in the rest of the run, it learns the nodule's border. The bundle always has
    the full size."""
    crop: Literal["field", "none"] = "field"
    views: Literal["panels", "frame"] = "panels"
    """`panels`: each view of a split screen is an input of its own; `frame`: the whole field at once."""
    num_workers: int = 0
    cache_mb: int = 2048
    """Memory per process for decoded views; 0 keeps none."""
    repeat: dict[str, float] = field(default_factory=dict)
    """Source -> how often per epoch its rows are used; 1 for a source that is not named. A fraction draws new rows in
    each epoch."""
    reference_sources: tuple[str, ...] = ()
    """Sources that are used neither for learning nor for validation: their frames only fit the flag unlike_training.
    Use this for sources that the starting weights have already seen."""
    mask_targets: tuple[str, ...] = ("nodule", "lesion")
    """What a mask must outline for the network to learn the nodule's mask from it; rows with another target (gland)
    give no mask loss."""
    healthy_sources: tuple[str, ...] = ()
    """Sources whose images have no nodule (tg3k: healthy glands). From such an image the network learns an empty mask
    instead of the image's own mask."""
    malignancy_sources: tuple[str, ...] = ()
    """Sources from whose malignancy labels the network learns its risk; others give no risk loss. Empty: all. Where
    run.validation_sources names some of them, the risk is calibrated on those sources and has the meaning of their
    labels. The network still learns from the labels of the other sources, as weak labels."""
    question_of_source: dict[str, str] = field(default_factory=dict)
    """Source -> which of network.questions its labels answer. The network's first question is not learned from such a
    source."""
    risk_of_category: dict[str, float] = field(default_factory=dict)
    """TI-RADS category of a row -> target risk, 0 to 1, that replaces the row's label 0 or 1 in the loss. So the
    targets of categories 4a and 4b can be closer to each other than to the target of category 2. Scores and calibration
    still use the label."""


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the ultrasound-aware augmentation; 0 turns one part off, `enabled = false` turns all off."""

    enabled: bool = True
    flip: float = 0.5
    """Probability of a horizontal flip. Never vertical: depth runs downwards."""
    rotate_degrees: float = 12.0
    zoom: float = 0.25
    """Largest relative change of depth, log-uniform; each axis differs from it by up to a third."""
    shift: float = 0.1
    gain: float = 0.16
    """Standard deviation of the brightness offset, as a share of full scale."""
    gamma: float = 0.3
    """Standard deviation of the log of the gamma exponent."""
    time_gain: float = 0.25
    """Largest change of gain at any depth, as a share of full scale."""
    speckle: float = 0.15
    """Largest standard deviation of multiplicative noise with the grain of speckle."""
    shadow: float = 0.15
    """Probability of an acoustic shadow."""
    blur: float = 0.15
    """Probability of a slight blur."""
    calipers: float = 0.0
    """Probability of measurement crosses. Half of them are on a nodule and half elsewhere, so that a cross is no sign
    of a nodule."""
    elastic: float = 0.0
    """Largest displacement of a smooth warp, as a share of the width."""
    closer: float = 0.0
    """Probability that a view is replaced by a closer part of it, around one of its nodules, or anywhere if it has no
    nodule."""


@dataclass(frozen=True)
class LossConfig:
    """Total loss = the sum of weight * part over the parts of training/losses.py; a weight of 0 turns its part off."""

    mask: Literal["dice", "cross_entropy", "focal", "dice+cross_entropy", "dice+focal"] = "dice+cross_entropy"
    mask_weight: float = 1.0
    malignancy_weight: float = 0.5
    label_smoothing: float = 0.0
    map_weight: float = 0.0
    """Weight of the cross-entropy of the malignancy map under the true mask."""
    gland_weight: float = 0.0
    """Weight of the mask loss of the thyroid's outline; needs network.auxiliary "gland"."""
    descriptor_weight: float = 0.0
    """Weight of the cross-entropy of the known descriptors; needs network.auxiliary "descriptors"."""
    presence_weight: float = 0.0
    """Weight of the cross-entropy of "the image has a nodule", computed from the highest mask logits: for sets with
    images without a nodule."""
    box_weight: float = 0.0
    """Weight of the loss of outlines that are learned from boxes (projections, likeness of neighbours, core and
    outside). It is computed on rows that have boxes and no outline; with weight 0, the network does not learn the
    outline from such rows."""
    balance_classes: bool = False
    """Weight the two classes of malignancy by their inverse frequency in the training rows."""

    @property
    def teaches_mask(self) -> bool:
        """Whether the network learns to outline."""
        return any(getattr(self, name) > 0 for name in MASK_WEIGHTS)

    @property
    def teaches_malignancy(self) -> bool:
        """Whether the network learns to rate malignancy."""
        return any(getattr(self, name) > 0 for name in MALIGNANCY_WEIGHTS)


MASK_WEIGHTS = ("mask_weight", "box_weight", "presence_weight")
"""The parts that have a gradient at the nodule's mask: with all at 0 a network does not outline."""
MALIGNANCY_WEIGHTS = ("malignancy_weight", "map_weight")
"""The parts that have a gradient at the risk or its map: with all at 0 a network does not rate malignancy."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its learning rate: warm-up, then cosine down to `final_lr_share` of `lr`, or constant."""

    name: Literal["adam", "adamw"] = "adamw"
    lr: float = 1e-3
    encoder_lr_share: float = 1.0
    """The pretrained encoder's learning rate as a share of `lr`."""
    weight_decay: float = 0.01
    eps: float = 1e-8
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: float = 0.05
    final_lr_share: float = 0.01
    batch_size: int = 16
    """Samples per step, over all processes together."""
    epochs: int = 60
    clip_norm: float = 5.0
    """Largest norm of the gradient; 0 for no limit."""
    ema_decay: float = 0.99
    """Decay per step of the moving average of the weights; the average is validated and becomes the bundle. 0: none."""


@dataclass(frozen=True)
class RunConfig:
    """Seed, threads, precision, when a run stops, and what it keeps."""

    seed: int = 0
    threads: int = 0
    """CPU threads per process; 0: torch chooses."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    """`auto`: bf16 where the hardware computes in it, else 32 on a CPU and 16 on a GPU."""
    validation_share: float = 0.12
    """Share of the training groups kept for early stopping, threshold and calibration, never the scored fold."""
    validation_sources: tuple[str, ...] = ()
    """Sources from which validation_share is taken; the other sources are only for learning. Empty: all training
    sources."""
    early_stopping_epochs: int = 0
    """Epochs without a better validation before the run stops; 0 for never."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the bundle: the last (moving average and schedule smooth them) or the best on validation."""
    max_minutes: float = 0.0
    """Wall-clock limit; the learning rate still follows `epochs`. 0: no limit."""
    validate_every: int = 1
    preview_every: int = 5
    mask_threshold: float = 0.5
    choose_threshold: bool = False
    """Choose the mask threshold on the validation groups instead of `mask_threshold`. Where these groups have an image
    without a nodule, or at least 200 images, also choose the least mean probability of a region."""
    smooth_outlines: bool = False
    """Draw each predicted nodule without spurs and ragged edges, as a reader does; `false` keeps every pixel above the
    threshold."""
    min_area_fraction: float = 0.002
    """A predicted nodule that covers less than this share of its view is dropped."""


@dataclass(frozen=True)
class Config:
    """All settings of a training run. `about` states what the recipe reached: score, time, hardware."""

    about: str = ""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)
