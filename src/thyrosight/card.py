"""BundleInfo -> MODEL_CARD.md: what a model is, what its risk means, what it learned from, its scores, its limits.

Says what the info says and nothing else; what the info leaves out is named as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thyrosight.bundle import BundleInfo, Score

_NOT_SAID = "not stated"

_USE = """\
For research: outlining nodules in B-mode ultrasound and studying risk models. **Not a medical device.** It has not been
cleared by any authority nor tested in a clinical setting. Do not use it to diagnose, to decide on a biopsy,
or to decide against one."""

_LIMITS = (
    "It has learned from the sets listed here alone. Another scanner, population or way of selecting patients can "
    "lower every score: measure it on your own labelled images first (`thyrosight evaluate`).",
    "It sees single B-mode frames: no Doppler, no elastography, no history, no lymph nodes.",
    "It expects a nodule to be looked for. In an image without one it can outline another dark structure, such as a "
    "vessel or a muscle.",
    "An outline is an estimate. Diameters come in millimetres only where the image file says how large a pixel is.",
)


def model_card(info: BundleInfo) -> str:
    """Info -> the card, Markdown ending in a newline. The same info gives the same card."""
    sections = (
        ("What it is", _what(info)),
        ("Intended use", _USE),
        ("What the risk means", _risk(info)),
        ("What it learned from", _training(info)),
        ("Scores", _scores(info.scores)),
        ("Limits", "\n".join(f"- {_line(limit)}" for limit in _limits(info))),
        ("Notes", info.notes.strip()),
        ("Origin", _origin(info)),
    )
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections if text)
    return f"# {_line(info.name)}\n\n{body}\n"


def _what(info: BundleInfo) -> str:
    gives = [
        (info.has_mask, "the outline of each nodule"),
        (info.has_malignancy, "a risk of malignancy"),
        (info.has_malignancy_map, "a malignancy map, which gives each nodule a risk of its own"),
    ]
    height, width = info.preprocessing.size_hw
    crop = "cropped to the ultrasound field" if info.preprocessing.crop == "field" else "not cropped"
    views = "each view of a split screen by itself" if info.preprocessing.views == "panels" else "the frame as one view"
    rows = [
        ("Network", f"`{_line(info.network)}`, {info.parameters:,} parameters"),
        ("Gives", ", ".join(text for has, text in gives if has) or "nothing"),
        ("Does not give", ", ".join(text for has, text in gives if not has)),
        ("Input", f"gray, {height} x {width} pixels, aspect ratio kept; {crop}; {views}"),
        ("Mask threshold", f"{info.mask_threshold:g}, on the mask probability"),
        ("Smallest nodule", f"{info.min_area_fraction:.2%} of a view's area"),
        ("Unlike its training images", familiarity_line(info)),
    ]
    return _bullets(rows)


def familiarity_line(info: BundleInfo) -> str:
    """Info -> when a frame is flagged as unlike the training frames, and how often one of those is."""
    familiarity = info.familiarity
    if familiarity is None:
        return "not told: the bundle has no record of what its training images measure like"
    return (
        f"flagged above a distance of {familiarity.threshold:.2f}, as are {familiarity.flagged_held_out:.1%} of "
        f"{familiarity.num_frames:,} training frames when they are held out of the measure"
    )


def _risk(info: BundleInfo) -> str:
    if not info.has_malignancy:
        return "This model gives no risk."
    lines = [info.risk_meaning.strip() or f"The meaning of the risk is {_NOT_SAID}."]
    calibration = info.calibration
    if calibration.n:
        lines.append(
            f"Calibrated on {calibration.n:,} cases ({_line(calibration.fitted_on) or _NOT_SAID}): "
            f"risk = sigmoid({calibration.scale:.4g} x logit {calibration.offset:+.4g})."
        )
    else:
        lines.append("Not calibrated: read the risk as a rank, not as a probability.")
    if info.operating_points:
        rows = [(point.name, f"{point.threshold:.3f}", point.meaning) for point in info.operating_points]
        lines.append(_table(("Operating point", "Risk at least", "Meaning"), rows))
    return "\n\n".join(lines)


def _training(info: BundleInfo) -> str:
    if not info.training_sets:
        return f"The training sets are {_NOT_SAID}."
    rows = [
        (
            entry.source,
            f"{entry.num_images:,}",
            entry.split or _NOT_SAID,
            f"`{entry.sha256[:12]}`" if entry.sha256 else "",
        )
        for entry in info.training_sets
    ]
    return _table(("Set", "Images", "Part", "SHA-256 of its list"), rows)


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return "None are recorded: this model has not been validated."
    rows = [(score.name, f"{score.value:.3f}", _interval(score), f"{score.n:,}", score.split) for score in scores]
    return "On cases that the network did not learn from.\n\n" + _table(
        ("Score", "Value", "95 % interval", "n", "Cases"), rows
    )


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return "not computed"
    return f"{score.low:.3f} to {score.high:.3f}"


def _limits(info: BundleInfo) -> Iterable[str]:
    yield from _LIMITS
    if info.has_malignancy and not info.calibration.n:
        yield "Its risk is not calibrated, so a threshold from another model does not carry over."
    if not info.scores:
        yield "Nothing is known of how well it does."


def _origin(info: BundleInfo) -> str:
    versions = ", ".join(f"{_line(name)} {_line(version)}" for name, version in sorted(info.versions.items()))
    rows = [
        ("Made", _line(info.created) or _NOT_SAID),
        ("Code revision", _line(info.git_revision) or _NOT_SAID),
        ("Seed", _NOT_SAID if info.seed is None else str(info.seed)),
        ("Versions", versions or _NOT_SAID),
    ]
    return _bullets(rows)


def _bullets(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {title}: {text}" for title, text in rows if text)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _line(text: str) -> str:
    """Text -> one line."""
    return " ".join(text.split())
