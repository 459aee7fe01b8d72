"""BundleInfo -> MODEL_CARD.md: a model's purpose, risk, data, training, scores, failures, limits, origin.

It answers the questions of CLAIM 2024 (Tejani et al., Radiology: AI) and TRIPOD+AI (Collins et al., BMJ 2024). The card
states what the info states and nothing else; where the info is empty, the card says unknown or not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from thyrosight.bundle.card_data import (
    UNKNOWN,
    bullets,
    compute_text,
    data_text,
    one_line,
    partitions_text,
    preparation_text,
    table,
    training_text,
)

if TYPE_CHECKING:
    from thyrosight.bundle.records import BundleInfo, OperatingPoint, Rate, Score

_NOT_SAID = "not stated"

_USE = """\
For research: outlining nodules in B-mode ultrasound and studying risk models. **Not a medical device.** It has not been
cleared by any authority nor tested in a clinical setting. Do not use it to diagnose, to decide on a biopsy,
or to decide against one.

- For: people who study ultrasound or build software for it, and can judge an outline by eye.
- Not for: patients, screening, triage, or any decision about a person.
- Its place: next to a reader who looks at the image; no study with readers is recorded."""

_LIMITS = (
    "It has learned from the sets listed here alone. Another scanner, population or way of selecting patients can "
    "lower every score: measure it on your own labelled images first (`thyrosight evaluate`).",
    "It sees single B-mode frames: no Doppler, no elastography, no history, no lymph nodes.",
    "It expects a nodule to be looked for. In an image without one it can outline another dark structure, such as a "
    "vessel or a muscle.",
    "An outline is an estimate. Diameters come in millimetres only where the image file says how large a pixel is.",
)

_ETHICS = (
    "Consent and approval for the images are those of the sets' publishers; this bundle holds no record of them.",
    "No score by age, sex, ethnicity or scanner is recorded unless it is stated above: whether the model serves all "
    "alike is unknown.",
    "The bundle holds weights and figures, no image and no identity. A network can remember traces of its "
    "training images; nobody has recorded a search for them. Where the bundle has `seen_images.bin`, whoever holds an "
    "image can tell by it whether the network learned from that image, and nothing else.",
    "A wrong outline or risk can mislead a reader towards it (automation bias). Show it after the reader's own view.",
)


def model_card(info: BundleInfo) -> str:
    """Info -> the card, Markdown ending in a newline. The same info gives the same card."""
    sections = (
        ("What it is", _what(info)),
        ("Intended use", _USE),
        ("What the risk means", _risk(info)),
        ("What it learned from", data_text(info)),
        ("Partitions", partitions_text(info)),
        ("How images are prepared", preparation_text(info)),
        ("How it was trained", f"{training_text(info)}\n\n{compute_text(info)}"),
        ("Scores", _scores(info)),
        ("Subgroups", _subgroups(info)),
        ("Calibration", _calibration(info)),
        ("Robustness", _robustness(info)),
        ("How it fails", _failures(info)),
        ("Limits", "\n".join(f"- {one_line(limit)}" for limit in _limits(info))),
        ("Ethical considerations", "\n".join(f"- {line}" for line in _ETHICS)),
        ("Notes", info.notes.strip()),
        ("Availability and origin", _origin(info)),
    )
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections if text)
    return f"# {one_line(info.name)}\n\n{body}\n"


def _what(info: BundleInfo) -> str:
    gives = [
        (info.has_mask, "the outline of each nodule"),
        (info.has_malignancy, "a risk of malignancy"),
        (info.has_malignancy_map, "a malignancy map, which gives each nodule a risk of its own"),
    ]
    height, width = info.preprocessing.size_hw
    crop = "cropped to the ultrasound field" if info.preprocessing.crop == "field" else "not cropped"
    views = "each view of a split screen by itself" if info.preprocessing.views == "panels" else "the frame as one view"
    threshold_from = f"; {one_line(info.mask_threshold_from)}" if info.mask_threshold_from else ""
    rows = [
        ("Network", f"`{one_line(info.network)}`, {info.parameters:,} parameters"),
        ("Gives", ", ".join(text for has, text in gives if has) or "nothing"),
        ("Does not give", ", ".join(text for has, text in gives if not has)),
        ("Input", f"gray, {height} x {width} pixels, aspect ratio kept; {crop}; {views}"),
        ("Mask threshold", f"{info.mask_threshold:g}, on the mask probability{threshold_from}"),
        ("Smallest nodule", f"{info.min_area_fraction:.2%} of a view's area"),
        ("Least mean probability of a nodule", f"{info.min_mean_probability:g}"),
        ("Outlines", "smoothed, as a reader draws them" if info.smooth_outlines else "every pixel above the threshold"),
        ("Unlike its training images", familiarity_line(info)),
    ]
    return bullets(rows)


def familiarity_line(info: BundleInfo) -> str:
    """Info -> the distance above which a frame is flagged, and the share of the training frames above it, in words."""
    familiarity = info.familiarity
    if familiarity is None:
        return "no flag: the bundle has no statistics of its training images"
    return (
        f"flagged above a distance of {familiarity.threshold:.2f}, as are {familiarity.flagged_held_out:.1%} of "
        f"{familiarity.num_frames:,} training frames when they are held out of the measure"
    )


# The risk


def _risk(info: BundleInfo) -> str:
    if not info.has_malignancy:
        return "This model gives no risk."
    lines = [info.risk_meaning.strip() or f"The meaning of the risk is {_NOT_SAID}."]
    if not info.calibration.n:
        lines.append("Not calibrated: read the risk as a rank, not as a probability.")
    if info.operating_points:
        titles = ("Operating point", "Risk at least", "Sensitivity", "Specificity", "Meaning")
        lines.append(table(titles, map(_point, info.operating_points)))
    else:
        lines.append("No operating point is set: the model does not say from which risk to call an image high.")
    return "\n\n".join(lines)


def _point(point: OperatingPoint) -> tuple[str, ...]:
    return point.name, f"{point.threshold:.3f}", _rate(point.sensitivity), _rate(point.specificity), point.meaning


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "not measured"
    interval = "" if rate.low is None or rate.high is None else f", {rate.low:.3f} to {rate.high:.3f}"
    return f"{rate.value:.3f} ({f'n {rate.n:,}'}{interval})"


def _calibration(info: BundleInfo) -> str:
    calibration = info.calibration
    if not info.has_malignancy or not calibration.n:
        return ""
    lines = [
        f"Calibrated on {calibration.n:,} cases ({one_line(calibration.fitted_on) or _NOT_SAID}): "
        f"risk = sigmoid({calibration.scale:.4g} x logit {calibration.offset:+.4g})."
    ]
    if calibration.prevalence is not None:
        lines.append(
            f"{100 * calibration.prevalence:.3g} % of those cases are malignant, and every risk assumes that share; "
            "`predict --prevalence` restates it for another one."
        )
    if calibration.covariance is not None:
        lines.append(
            "Every risk has the 95 % interval that follows from the uncertainty of these two numbers; what the network "
            "itself does not know is not in it."
        )
    if calibration.sha256:
        lines.append(f"SHA-256 of the table of logits: `{calibration.sha256}`.")
    return "\n\n".join(lines)


# How well it does


def _scores(info: BundleInfo) -> str:
    if not info.scores:
        return "None are recorded: this model has not been validated."
    whose = one_line(info.scores_meaning) or "on cases that the network did not learn from"
    kinds = "Intervals are 95 %, from a bootstrap of whole groups where they are computed."
    return f"{whose[0].upper()}{whose[1:]}. {kinds}\n\n{_score_table(info.scores)}"


def _score_table(scores: Sequence[Score]) -> str:
    rows = [(score.name, f"{score.value:.3f}", _interval(score), f"{score.n:,}", score.split) for score in scores]
    return table(("Score", "Value", "95 % interval", "n", "Cases"), rows)


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return "not computed"
    return f"{score.low:.3f} to {score.high:.3f}"


def _subgroups(info: BundleInfo) -> str:
    if not info.subgroups:
        return "None are recorded." if info.scores else ""
    rows = [
        (
            group.by,
            group.name,
            f"{group.num_images:,}",
            score.name,
            f"{score.value:.3f}",
            _interval(score),
            f"{score.n:,}",
        )
        for group in info.subgroups
        for score in group.scores
    ]
    return table(("By", "Subgroup", "Images", "Score", "Value", "95 % interval", "n"), rows)


def _robustness(info: BundleInfo) -> str:
    if not info.robustness:
        return "Not recorded: `thyrosight stress` measures what gain, blur, shadows or calipers cost."
    return _score_table(info.robustness)


def _failures(info: BundleInfo) -> str:
    if not info.failures:
        return "Not recorded."
    rows = [(one.name, f"{one.number:,} of {one.of:,}", f"{one.number / one.of:.1%}") for one in info.failures]
    return table(("What goes wrong", "How often", "Share"), rows)


def _limits(info: BundleInfo) -> Iterable[str]:
    yield from _LIMITS
    if info.has_malignancy and not info.calibration.n:
        yield "Its risk is not calibrated, so a threshold from another model does not carry over."
    if not info.scores:
        yield "Nothing is known of how well it does."
    if info.scores_meaning:
        yield "The scores are of other networks: this one has seen every case that they are measured on."


def _origin(info: BundleInfo) -> str:
    versions = ", ".join(f"{one_line(name)} {one_line(version)}" for name, version in sorted(info.versions.items()))
    rows = [
        ("Made", one_line(info.created) or _NOT_SAID),
        ("Code", "Thyrosight, Apache-2.0; the sets' own terms hold for what was learned from them"),
        ("Code revision", one_line(info.git_revision) or _NOT_SAID),
        ("Bundle format", str(info.format_version)),
        ("Seed", _NOT_SAID if info.seed is None else str(info.seed)),
        ("Versions", versions or _NOT_SAID),
        ("Study registration, protocol, funding", UNKNOWN),
    ]
    return bullets(rows)
