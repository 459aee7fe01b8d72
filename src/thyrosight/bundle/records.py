"""The records in bundle.json: a model, its data, its scores; frozen, without unknown keys, without NaN.

A field with a default was added later or is not always known: empty or None means that nobody recorded it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

Side = Annotated[int, Field(gt=0, le=4096)]


class _Record(BaseModel):
    """A frozen record that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants", protected_namespaces=()
    )


class Preprocessing(_Record):
    """How a frame becomes the network's input. size_hw: rows, columns in pixels; views: which boxes are letterboxed."""

    size_hw: tuple[Side, Side]
    crop: Literal["field", "none"]
    views: Literal["panels", "frame"]


class Calibration(_Record):
    """Calibrated risk = sigmoid(scale * malignancy_logit + offset); fitted on n images, never on the scored fold.

    covariance: (variance of scale, covariance, variance of offset) of the fit; None where it is not known. sha256: hash
    of the file with the logits, where there was one. prevalence: the share of malignant nodules among those n images.
    The risk assumes this share; None in bundles that did not record it.
    """

    scale: float = 1.0
    offset: float = 0.0
    covariance: tuple[float, float, float] | None = None
    n: int = Field(default=0, ge=0)
    fitted_on: str = ""
    sha256: str = ""
    prevalence: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _is_covariance(self) -> Self:
        if self.covariance is not None:
            scale, both, offset = self.covariance
            if scale < 0 or offset < 0 or both**2 > scale * offset * 1.001 + 1e-12:
                raise ValueError("covariance is not that of any fit")
        return self


class Rate(_Record):
    """A share of n cases with its 95 % interval (None: not computed)."""

    value: float = Field(ge=0, le=1)
    low: float | None
    high: float | None
    n: int = Field(ge=1)


class OperatingPoint(_Record):
    """A threshold on the calibrated risk, its purpose, and its result on cases that had no part in its choice."""

    name: str
    threshold: float = Field(ge=0, le=1)
    meaning: str
    sensitivity: Rate | None = None
    specificity: Rate | None = None


class Origin(_Record):
    """Published facts of a set of images; an empty text: not known."""

    citation: str = ""
    collected: str = ""
    place: str = ""
    devices: str = ""
    population: str = ""
    outlines_by: str = ""
    labels_by: str = ""
    eligibility: str = ""


class TrainingSet(_Record):
    """A set that the weights have seen. sha256: of its list of cases. split: a phrase that says which part was seen.

    held_out_fold and inherited_from: see bundle/training_sets.py; an older bundle states both only in `split`.
    is_recorded: whether seen_images.bin holds every image of the set, also the images that served only to choose
    settings. label_meaning, left_out ({reason: number of images}) and notes come from its dataset.json.
    """

    source: str
    num_images: int = Field(ge=0)
    sha256: str
    split: str
    num_groups: int | None = None
    num_outlined: int | None = None
    num_labelled: int | None = None
    num_high: int | None = None
    label_meaning: str = ""
    left_out: dict[str, int] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    held_out_fold: int | None = None
    inherited_from: str = ""
    is_recorded: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out fields of later versions where they are empty, so that an older record is written as it was."""
        record: dict[str, Any] = serialise(self)
        later = {"held_out_fold": None, "inherited_from": "", "is_recorded": False}
        return {name: value for name, value in record.items() if name not in later or value != later[name]}


class Score(_Record):
    """A number over n cases of a split that the network has not seen, with its 95 % interval (None: not computed)."""

    name: str
    value: float
    low: float | None
    high: float | None
    n: int = Field(ge=1)
    split: str


class SubgroupScores(_Record):
    """Scores of one group of images; `by` is the property that makes the groups."""

    by: str
    name: str
    num_images: int = Field(ge=1)
    scores: tuple[Score, ...]


class Count(_Record):
    """A count: `number` of `of` cases; `name` states what is counted."""

    name: str
    number: int = Field(ge=0)
    of: int = Field(ge=1)


NUM_STATISTICS = 27


Numbers = Annotated[tuple[float, ...], Field(min_length=NUM_STATISTICS, max_length=NUM_STATISTICS)]
Rows = Annotated[tuple[tuple[float, ...], ...], Field(min_length=NUM_STATISTICS, max_length=NUM_STATISTICS)]


class Familiarity(BaseModel):
    """Statistics of the training frames. A frame at a distance above `threshold` is flagged as unlike these frames.

    The distance of a view is |whitening z| / sqrt(27), with z = (the view's 27 statistics - centre) / scale, clipped at
    +-CLIP (inference/familiarity.py). whitening is lower triangular: row k has k + 1 numbers. The distance of a frame
    is the mean over its views. flagged_held_out: share of flagged frames among the num_frames training frames. For
    this share, the distance of each frame comes from statistics of other groups only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    statistics: Literal[1] = 1
    """Version of views/statistics.py: numbers of two versions can't be compared."""
    centre: Numbers
    scale: Numbers
    whitening: Rows
    threshold: float = Field(gt=0)
    num_frames: int = Field(ge=1)
    flagged_held_out: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _is_triangular(self) -> Self:
        if any(len(row) != k + 1 for k, row in enumerate(self.whitening)) or min(self.scale) <= 0:
            raise ValueError("familiarity: whitening is not lower triangular, or a scale is not positive")
        return self


class BundleInfo(_Record):
    """The content of bundle.json. files ({name: SHA-256}) and sha256 are filled in when the bundle is written.

    mask_threshold: applies to mask_probability. min_area_fraction: smallest nodule as a fraction of its view's area.
    min_mean_probability: a region with a lower mean probability is dropped; 0 drops none. smooth_outlines: whether each
    region is drawn without spurs and ragged edges. scores_meaning: which models were scored, where it was not this
    network. recipe: the training configuration. robustness: scores on disturbed images. failures: how often outlines
    fail, and how. compute: {what: value} in words. sha256: of bundle.json itself, with these 64 digits set to 0.
    """

    format_version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=100)
    network: str = Field(min_length=1)
    network_settings: dict[str, Any]
    parameters: int = Field(ge=0)
    preprocessing: Preprocessing
    has_mask: bool
    has_malignancy: bool
    has_malignancy_map: bool
    mask_threshold: float = Field(ge=0, le=1)
    min_area_fraction: float = Field(ge=0, lt=1)
    calibration: Calibration
    risk_meaning: str
    operating_points: tuple[OperatingPoint, ...]
    training_sets: tuple[TrainingSet, ...]
    scores: tuple[Score, ...]
    versions: dict[str, str]
    git_revision: str
    created: str
    seed: int | None
    notes: str
    familiarity: Familiarity | None = None
    min_mean_probability: float = Field(default=0.0, ge=0, lt=1)
    smooth_outlines: bool = False
    mask_threshold_from: str = ""
    scores_meaning: str = ""
    subgroups: tuple[SubgroupScores, ...] = ()
    robustness: tuple[Score, ...] = ()
    failures: tuple[Count, ...] = ()
    recipe: dict[str, Any] = Field(default_factory=dict)
    num_validation_images: int | None = Field(default=None, ge=0)
    compute: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    sha256: str = ""
