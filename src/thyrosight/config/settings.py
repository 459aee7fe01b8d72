"""TOML file + overrides -> Config: one frozen tree; an unknown setting is refused with the known names next to it."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from thyrosight.errors import ConfigError


@dataclass(frozen=True)
class NetworkConfig:
    """Which network, and its form. The docstring of each network says what `init` and `dropout` do there."""

    name: str = "unet"
    """A name of `networks.NETWORKS`: `unet`, `vnet2d` (the original), `resenc` or `monai_unet` (others' networks)."""
    encoder: Literal["lite0", "lite1", "lite2"] = "lite0"
    pretrained: bool = True
    head: Literal["map", "pooled"] = "map"
    dropout: float = 0.2
    drop_path: float = 0.1
    frozen_stages: int = 0
    """The stem and this many first stages of the encoder are not trained; 0 trains all."""
    auxiliary: tuple[Literal["gland", "descriptors"], ...] = ()
    """Extra tasks that `unet` learns in training only; no bundle answers with them. `gland`: the thyroid's outline,
    from rows with a mask of the gland. `descriptors`: terms of the TI-RADS lexicon, from rows that have them."""
    questions: tuple[str, ...] = ()
    """Further risks that `unet` learns, for example `reading` and `breast`. Each has a head of its own on the shared
    features. data.question_of_source says which sets answer them. A bundle answers one question: `export
    --question`."""
    init: Literal["original", "he"] = "original"
    width: int = 32
    """First stage's channels of `resenc` and `monai_unet`; each stage doubles them, up to 16 times (nnU-Net: 32)."""
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
    multiplied by the scale and rounded to multiples of 32. Small inputs teach where a nodule is in a fraction of the
    time; the rest of the run, at full size, teaches its border. The bundle always has the full size."""
    crop: Literal["field", "none"] = "field"
    views: Literal["panels", "frame"] = "panels"
    """`panels`: each view of a split screen is an input of its own; `frame`: the whole field at once."""
    num_workers: int = 0
    cache_mb: int = 2048
    """Memory per process for decoded views; 0 keeps none."""
    repeat: dict[str, float] = field(default_factory=dict)
    """source -> how often per epoch its rows are used; 1 where not named. A fraction draws new rows in each epoch."""
    reference_sources: tuple[str, ...] = ()
    """Sources that teach nothing and validate nothing: their frames only fit the flag unlike_training. Use it for
    sources that the starting weights have already seen."""
    mask_targets: tuple[str, ...] = ("nodule", "lesion")
    """What a mask must outline to teach the nodule's mask; rows with another target (gland) give no mask loss."""
    healthy_sources: tuple[str, ...] = ()
    """Sources whose images have no nodule (tg3k: healthy glands). Such an image teaches an empty mask instead of its
    own mask."""
    malignancy_sources: tuple[str, ...] = ()
    """Sources whose malignancy labels teach this model's risk; others give no risk loss. Empty: all. Where
    run.validation_sources names some of them, the risk is calibrated on those sources and has the meaning of their
    labels. The labels of the other sources still teach it, as weak labels."""
    question_of_source: dict[str, str] = field(default_factory=dict)
    """Source -> which of network.questions its labels answer; such a source does not teach the network's own risk."""
    risk_of_category: dict[str, float] = field(default_factory=dict)
    """TI-RADS category of a row -> the risk, 0 to 1, that the row teaches instead of its label 0 or 1, so that category
    4a teaches a risk nearer to that of 4b than category 2 does. Scores and calibration still use the label."""


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
    """Probability of measurement crosses. Half of them are on a nodule and half elsewhere, so that a cross does not
    give a nodule away."""
    elastic: float = 0.0
    """Largest displacement of a smooth warp, as a share of the width."""


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
    outside). It counts on rows that have boxes and no outline; with 0 such rows do not teach the outline."""
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
    """Sources from which that share is taken; the others only teach. Empty: all training sources."""
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


MAX_NUMBER = 1 << 53
"""Above this number a float can't hold every whole number."""


RECIPES = Path(__file__).parent / "recipes"
"""The configurations that travel with the package; a recipe has the name of its file."""


def recipe_names() -> dict[str, str]:
    """-> {name of each recipe of the package: the first sentence of its `about`}."""
    found = {path.stem: load_config(path).about for path in sorted(RECIPES.glob("*.toml"))}
    return {name: about.partition(". ")[0].rstrip(".") + "." for name, about in found.items()}


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Config:
    """Name of a recipe, overrides as in `load_config` -> Config.

    For an unknown name ConfigError lists the known ones.
    """
    if name not in (known := recipe_names()):
        raise ConfigError(f"no recipe {name!r}; choose one of {', '.join(known)}, or give a .toml file")
    return load_config(RECIPES / f"{name}.toml", overrides)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """TOML file, `table.key=value` overrides (value in TOML; a bare word is a string) -> Config, or ConfigError."""
    try:
        tree = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); give the path of a .toml file") from None
    except (ValueError, RecursionError) as error:  # ValueError: TOML's, UTF-8's, and numbers of too many digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(tree, override)
    return config_from_dict(tree, where=str(path))


def config_from_dict(tree: Mapping[str, Any], where: str = "configuration") -> Config:
    """Nested dict -> Config; ConfigError where a name, a type, a choice or a range is wrong."""
    config = _build(Config, tree, where)
    assert isinstance(config, Config)
    _check_ranges(config, where)
    return config


def config_to_dict(config: Config) -> dict[str, Any]:
    """Config -> nested dict of plain values, for the run folder and the bundle."""
    return asdict(config)


def _apply_override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    keys = name.strip().split(".")
    if not separator or len(keys) > 2:
        raise ConfigError(f"--set {override}: write table.key=value, for example --set optim.epochs=20")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: {key} is no table of settings")
    node[keys[-1]] = value


def _build(kind: type, tree: Mapping[str, Any], where: str) -> Any:
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{where}: {kind.__name__} is a table of settings, not {tree!r}")
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    for key in tree:
        if key not in known:
            near = _neighbours(key, known)
            hint = f" did you mean {' or '.join(near)}?;" if near else ""
            raise ConfigError(f"{where}: unknown setting {key!r} in {kind.__name__};{hint} known: {', '.join(known)}")
    values = {
        key: _build(hints[key], value, f"{where} [{key}]")
        if is_dataclass(hints[key])
        else _convert(hints[key], value, f"{where}: {kind.__name__}.{key}")
        for key, value in tree.items()
    }
    return kind(**values)


def _neighbours(key: str, known: Sequence[str]) -> list[str]:
    """An unknown name -> the known names that are spelt alike, or that are its initials (learning_rate: lr)."""
    near = difflib.get_close_matches(key, known, n=2)
    initials = "".join(word[:1] for word in key.split("_"))
    return near or [name for name in known if name == initials]


def _convert(hint: Any, value: Any, where: str) -> Any:
    """A value -> the same in its field's type; ConfigError says which type or choice is needed."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        # --set run.precision=32 reads as a number.
        value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if value not in arguments:
            raise ConfigError(f"{where} = {value!r}; choose one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else None
        variadic = len(arguments) == 2 and arguments[1] is Ellipsis
        if items is None or (not variadic and len(items) != len(arguments)):
            raise ConfigError(f"{where} = {value!r}; give a list" + ("" if variadic else f" of {len(arguments)}"))
        kinds = [arguments[0]] * len(items) if variadic else list(arguments)
        return tuple(_convert(kind, item, where) for kind, item in zip(kinds, items, strict=True))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r}; give a table")
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    assert origin not in (Union, types.UnionType), hint
    if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) <= MAX_NUMBER:
        raise ConfigError(f"{where} = {str(value)[:20]}; give a number that is finite and of reasonable size")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise ConfigError(f"{where} = {value!r}; give a {hint.__name__}")
    return value


def _check_ranges(config: Config, where: str) -> None:
    checks = (*_network_and_data_checks(config), *_loss_checks(config), *_run_checks(config))
    for passed, message in checks:
        if not passed:
            raise ConfigError(f"{where}: {message}")


Check = tuple[bool, str]
"""Whether the settings pass, and what is wrong where they do not."""


def _network_and_data_checks(config: Config) -> Iterator[Check]:
    network, data = config.network, config.data
    yield 0 <= network.dropout < 1, "network.dropout must be in [0, 1)"
    yield network.width >= 1, "network.width must be at least 1"
    yield min(data.size_hw) >= 32, "data.size_hw must be at least 32 x 32"
    shares = [share for share, _ in data.size_steps]
    yield (
        all(0 < share < 1 and 0 < scale <= 1 for share, scale in data.size_steps) and shares == sorted(shares),
        "data.size_steps are pairs (share of the epochs, scale): shares rise, each number is above 0 and at most 1",
    )
    for source, times in data.repeat.items():
        yield (
            times > 0,
            f"data.repeat.{source} is {times:g}; it must be above 0. For a source that must teach nothing use "
            f'data.reference_sources = ["{source}"]',
        )
    yield (
        not set(data.repeat) & set(data.reference_sources),
        "data.repeat names a source of data.reference_sources, which teaches nothing; name each source in one",
    )
    yield (
        all(0 <= risk <= 1 for risk in data.risk_of_category.values()),
        "data.risk_of_category: each risk must be in [0, 1]",
    )
    yield (
        set(data.question_of_source.values()) <= set(config.network.questions),
        "data.question_of_source names a question that network.questions has not",
    )


def _loss_checks(config: Config) -> Iterator[Check]:
    loss, auxiliary = config.loss, config.network.auxiliary
    for name, value in asdict(loss).items():
        if name.endswith("_weight"):
            yield value >= 0, f"loss.{name} is {value:g}; it must not be below 0"
    yield (
        loss.teaches_mask or loss.teaches_malignancy,
        f"of {', '.join(f'loss.{name}' for name in MASK_WEIGHTS + MALIGNANCY_WEIGHTS)} none is above 0: nothing would be "
        "learned",
    )
    yield 0 <= loss.label_smoothing < 1, "loss.label_smoothing must be in [0, 1)"
    for name, weight, task in (
        ("gland_weight", loss.gland_weight, "gland"),
        ("descriptor_weight", loss.descriptor_weight, "descriptors"),
    ):
        yield weight <= 0 or task in auxiliary, f"loss.{name} needs {task!r} in network.auxiliary"


def _run_checks(config: Config) -> Iterator[Check]:
    optim, run = config.optim, config.run
    yield optim.lr > 0, "optim.lr must be positive"
    yield optim.batch_size >= 1, "optim.batch_size must be at least 1"
    yield optim.epochs >= 1, "optim.epochs must be at least 1"
    yield 0 <= optim.ema_decay < 1, "optim.ema_decay must be in [0, 1)"
    yield 0 <= run.validation_share < 0.9, "run.validation_share must be in [0, 0.9)"
    yield 0 < run.mask_threshold < 1, "run.mask_threshold must be between 0 and 1"
    yield (
        run.validation_share > 0 or (run.keep == "last" and not run.early_stopping_epochs),
        "run.keep = 'best' and early stopping need run.validation_share > 0",
    )
