"""TOML file + overrides -> Config: one frozen tree; an unknown key is refused with its nearest known neighbours."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from thyrosight.errors import ConfigError


@dataclass(frozen=True)
class NetworkConfig:
    """Which network, and its form. `init` and `dropout` as the network's own documentation says."""

    name: Literal["unet", "vnet2d", "resenc", "monai_unet"] = "unet"
    encoder: Literal["lite0", "lite1", "lite2"] = "lite0"
    pretrained: bool = True
    head: Literal["map", "pooled"] = "map"
    dropout: float = 0.2
    drop_path: float = 0.1
    frozen_stages: int = 0
    """The encoder's stem and its first stages that are not trained; 0 trains all."""
    auxiliary: tuple[Literal["gland", "descriptors"], ...] = ()
    """What `unet` learns beside its tasks, and no bundle answers with: the thyroid's outline (rows whose mask is of the
    gland), the descriptors of the TI-RADS lexicon (rows that have them)."""
    init: Literal["original", "he"] = "original"
    width: int = 32
    """Channels of the first stage of `resenc` and `monai_unet`, doubled a stage up to 16 times; nnU-Net has 32."""
    start_from: str = ""
    """A bundle whose weights to begin with: a path (a relative one from the working directory), or `shipped`. Empty for
    none. A folder that cross-validate wrote stands for the bundle of the fold that is kept aside: give such a second
    stage the first one's run.seed and validation_share, so that both keep the same validation groups. A bundle that has
    learnt from rows which are to be scored is refused."""


@dataclass(frozen=True)
class DataConfig:
    """How an image becomes the network's input, and which rows take part."""

    size_hw: tuple[int, int] = (256, 256)
    size_steps: tuple[tuple[float, float], ...] = ()
    """(share of the epochs, scale), rising: up to that share of the run `size_hw` is scaled so (to multiples of 32).
    A small network input teaches where a nodule is for a fraction of the time; what is left at full size teaches its
    border. The bundle always has the full size."""
    crop: Literal["field", "none"] = "field"
    views: Literal["panels", "frame"] = "panels"
    """`panels`: each view of a split screen is an input of its own; `frame`: the whole field at once."""
    num_workers: int = 0
    cache_mb: int = 2048
    """Decoded views kept in memory, each process; 0 for none."""
    repeat: dict[str, float] = field(default_factory=dict)
    """source -> how many times per epoch its rows are seen (a fraction draws anew each epoch); 1 where not named."""
    reference_sources: tuple[str, ...] = ()
    """Sources that teach nothing and validate nothing; their frames only fit the flag unlike_training. Name here the
    sources that the weights which a run starts from have seen."""
    mask_targets: tuple[str, ...] = ("nodule", "lesion")
    """Rows whose mask outlines something else (gland) give no mask loss."""
    healthy_sources: tuple[str, ...] = ()
    """Sources whose images hold no nodule, whatever their masks outline (tg3k: healthy glands): an empty mask each."""
    malignancy_sources: tuple[str, ...] = ()
    """Sources whose malignancy label has this model's meaning; others give no risk loss. Empty: all."""
    risk_of_category: dict[str, float] = field(default_factory=dict)
    """TI-RADS category of a row -> the risk, 0 to 1, that it is taught as, instead of its label's 0 or 1: a reader who
    says 4a is nearer to 4b than one who says 2. Scores and calibration still ask for the label."""


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the ultrasound-aware augmentation; 0 turns a part off, `enabled = false` all of it."""

    enabled: bool = True
    flip: float = 0.5
    """Probability of a horizontal flip. Never vertical: depth runs downwards."""
    rotate_degrees: float = 12.0
    zoom: float = 0.25
    """Relative change of depth, log-uniform; each axis differs by up to a third of it."""
    shift: float = 0.1
    gain: float = 0.16
    """Standard deviation of the brightness offset in shares of full scale."""
    gamma: float = 0.3
    """Standard deviation of the log of the gamma exponent."""
    time_gain: float = 0.25
    """Largest tilt of gain from top to bottom in shares of full scale."""
    speckle: float = 0.15
    """Standard deviation of multiplicative noise, smoothed to the grain of speckle."""
    shadow: float = 0.15
    """Probability of an acoustic shadow."""
    blur: float = 0.15
    """Probability of a slight blur."""
    calipers: float = 0.0
    """Probability of measurement crosses: half of them on a nodule, half where none is, so that they give no hint."""
    elastic: float = 0.0
    """Largest displacement of a smooth warp in shares of the width."""


@dataclass(frozen=True)
class LossConfig:
    """total = mask_weight * mask loss + malignancy_weight * risk loss; a weight of 0 turns its task off."""

    mask: Literal["dice", "cross_entropy", "focal", "dice+cross_entropy", "dice+focal"] = "dice+cross_entropy"
    mask_weight: float = 1.0
    malignancy_weight: float = 0.5
    label_smoothing: float = 0.0
    map_weight: float = 0.0
    gland_weight: float = 0.0
    """Of the mask loss of the thyroid's outline; needs network.auxiliary "gland"."""
    descriptor_weight: float = 0.0
    """Of the descriptors' cross-entropy, a mean over those that are known; needs network.auxiliary "descriptors"."""
    presence_weight: float = 0.0
    """Of the cross-entropy of "there is a nodule at all", told from the highest mask logits: for sets that hold images
    without one."""
    balance_classes: bool = False
    """Weigh the two classes of malignancy by their inverse frequency in the training rows."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its schedule: warm-up, then cosine to `final_lr_share` of `lr` (or constant)."""

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
    """Samples a step over all processes together."""
    epochs: int = 60
    clip_norm: float = 5.0
    """Largest norm of the gradient; 0 for no limit."""
    ema_decay: float = 0.99
    """Decay a step of the moving average of the weights, which is what is validated and shipped; 0 for none."""


@dataclass(frozen=True)
class RunConfig:
    """How the run goes: seeds, threads, numbers, when to stop, what to keep."""

    seed: int = 0
    threads: int = 0
    """CPU threads a process; 0 leaves the choice to torch."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    """`auto`: bf16 where the processor or GPU has it in hardware, else 32 on a CPU and 16 on a GPU."""
    validation_share: float = 0.12
    """Share of the training groups kept aside for early stopping, threshold and calibration; never the scored fold."""
    validation_sources: tuple[str, ...] = ()
    """Sources that give that share, so that others only teach. Empty: all that are learnt from."""
    early_stopping_epochs: int = 0
    """Epochs without a better validation before the run stops; 0 for never."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the bundle: the last (smoothed by EMA and schedule) or the best on validation."""
    max_minutes: float = 0.0
    """Wall-clock limit; the schedule still belongs to `epochs`. 0 for none."""
    validate_every: int = 1
    preview_every: int = 5
    mask_threshold: float = 0.5
    choose_threshold: bool = False
    """Choose the mask threshold on the validation groups instead of `mask_threshold`; where some of their images hold
    no nodule, also the least mean probability of a region."""
    min_area_fraction: float = 0.002
    """A predicted nodule smaller than this share of its view is dropped."""


@dataclass(frozen=True)
class Config:
    """All of a training run. `about` says what the recipe promises: score, time, hardware."""

    about: str = ""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a TOML file; `overrides` are `table.key=value` with the value in TOML (a bare word is taken as a string)."""
    try:
        tree = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); give the path of a .toml configuration") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(tree, override)
    return config_from_dict(tree, where=str(path))


def config_from_dict(tree: Mapping[str, Any], where: str = "configuration") -> Config:
    """A nested dict -> Config, with types and choices checked."""
    config = _build(Config, tree, where)
    assert isinstance(config, Config)
    _check_ranges(config, where)
    return config


def config_to_dict(config: Config) -> dict[str, Any]:
    """The whole tree as plain values, for the run folder and the bundle."""
    return asdict(config)


def _apply_override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    keys = name.strip().split(".")
    if not separator or len(keys) > 2:
        raise ConfigError(f"--set {override}: write table.key=value, for example --set optim.epochs=20")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
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
    """An unknown name -> the known names that are spelt alike, or that its initials spell (learning_rate: lr)."""
    near = difflib.get_close_matches(key, known, n=2)
    initials = "".join(word[:1] for word in key.split("_"))
    return near or [name for name in known if name == initials]


def _convert(hint: Any, value: Any, where: str) -> Any:
    """The value as its field's type, or an error that says what is wanted."""
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
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise ConfigError(f"{where} = {value!r}; a {hint.__name__} is wanted")
    return value


_REFERENCE = 'For a source that must teach nothing use data.reference_sources = ["{}"]'


def _check_ranges(config: Config, where: str) -> None:
    checks = (
        (min(config.data.size_hw) >= 32, "data.size_hw must be at least 32 x 32"),
        (
            all(0 < share < 1 and 0 < scale <= 1 for share, scale in config.data.size_steps)
            and [share for share, _ in config.data.size_steps] == sorted(share for share, _ in config.data.size_steps),
            "data.size_steps are pairs (share of the epochs, scale), shares rising, each above 0 and at most 1",
        ),
        (config.optim.lr > 0, "optim.lr must be positive"),
        (config.optim.batch_size >= 1, "optim.batch_size must be at least 1"),
        (config.optim.epochs >= 1, "optim.epochs must be at least 1"),
        (0 <= config.optim.ema_decay < 1, "optim.ema_decay must lie in [0, 1)"),
        (0 <= config.run.validation_share < 0.9, "run.validation_share must lie in [0, 0.9)"),
        (0 < config.run.mask_threshold < 1, "run.mask_threshold must lie between 0 and 1"),
        (0 <= config.network.dropout < 1, "network.dropout must lie in [0, 1)"),
        (config.network.width >= 1, "network.width must be at least 1"),
        *(
            (times > 0, f"data.repeat.{source} is {times:g}; it must be above 0. {_REFERENCE.format(source)}")
            for source, times in config.data.repeat.items()
        ),
        (
            not set(config.data.repeat) & set(config.data.reference_sources),
            "data.repeat names a source of data.reference_sources, which teaches nothing; name each source in one",
        ),
        (
            all(0 <= risk <= 1 for risk in config.data.risk_of_category.values()),
            "data.risk_of_category: each risk must lie in [0, 1]",
        ),
        (
            config.loss.mask_weight > 0 or config.loss.malignancy_weight > 0,
            "loss.mask_weight and loss.malignancy_weight are both 0: nothing would be learnt",
        ),
        *(
            (value >= 0, f"loss.{name} is {value:g}; it must not be below 0")
            for name, value in asdict(config.loss).items()
            if name.endswith("_weight")
        ),
        (0 <= config.loss.label_smoothing < 1, "loss.label_smoothing must lie in [0, 1)"),
        (
            (config.loss.gland_weight <= 0 or "gland" in config.network.auxiliary)
            and (config.loss.descriptor_weight <= 0 or "descriptors" in config.network.auxiliary),
            "loss.gland_weight needs 'gland' in network.auxiliary, loss.descriptor_weight 'descriptors'",
        ),
        (
            config.run.validation_share > 0 or (config.run.keep == "last" and not config.run.early_stopping_epochs),
            "run.keep = 'best' and early stopping need run.validation_share > 0",
        ),
    )
    for passed, message in checks:
        if not passed:
            raise ConfigError(f"{where}: {message}")
