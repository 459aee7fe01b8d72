"""BundleInfo -> the parts of its card about data and training: sets, partitions, preparation, recipe, compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thyrosight.bundle.records import BundleInfo, Origin, TrainingSet

UNKNOWN, NOT_RECORDED, NOT_SAID = "unknown", "not recorded", "not stated"

ORIGIN_TITLES = {
    "citation": "Published as",
    "collected": "Collected",
    "place": "Place",
    "devices": "Devices",
    "population": "People, of the whole set",
    "eligibility": "Eligibility",
    "outlines_by": "Reference outlines by",
    "labels_by": "Reference labels by",
}


def data_text(info: BundleInfo) -> str:
    """-> the training sets: counts, origin and reference standard of each."""
    if not info.training_sets:
        return f"The training sets are {NOT_SAID}."
    titles = ("Set", "Images", "Part", "Groups", "Outlined", "Labelled", "High", "SHA-256 of its list")
    parts = [table(titles, [_counts(entry) for entry in info.training_sets])]
    rating = _table_of(info.recipe, "data").get("malignancy_sources")
    only = f" The risk is taught by the labels of {', '.join(map(str, rating))} alone." if rating else ""
    parts.append(
        "A group is a patient, or a cluster of near-duplicates where patients are not known. Images without a label "
        f"have no part in the risk's loss, those without an outline none in the mask's.{only}"
    )
    described = set()
    for entry in info.training_sets:
        if entry.source not in described:
            parts.append(f"### {one_line(entry.source)}\n\n{_origin(entry)}")
            described.add(entry.source)
    return "\n\n".join(parts)


def _counts(entry: TrainingSet) -> tuple[str, ...]:
    numbers = (entry.num_groups, entry.num_outlined, entry.num_labelled, entry.num_high)
    return (
        entry.source,
        f"{entry.num_images:,}",
        part_in_words(entry.split),
        *(NOT_RECORDED if number is None else f"{number:,}" for number in numbers),
        f"`{entry.sha256[:12]}`" if entry.sha256 else "",
    )


def part_in_words(split: str) -> str:
    """`split` of a training set -> which rows of a set the weights have seen, and how many trainings ago."""
    *starts, part = split.split("before, by ")
    if len(starts) < 2:
        return split or NOT_SAID
    return f"{len(starts)} trainings before, by {part}"


def _origin(entry: TrainingSet) -> str:
    origin: Origin | None = entry.origin
    known = {} if origin is None else origin.model_dump()
    rows = [(title, one_line(known.get(name, "")) or UNKNOWN) for name, title in ORIGIN_TITLES.items()]
    rows.append(("The label means", one_line(entry.label_meaning) or NOT_SAID))
    left_out = "; ".join(f"{number:,} {one_line(reason)}" for reason, number in entry.left_out.items())
    rows.append(
        ("Left out when it was prepared", left_out or (NOT_RECORDED if entry.num_groups is None else "nothing"))
    )
    rows.append(("Notes on the copy that was used", "; ".join(map(one_line, entry.notes))))
    return bullets(rows)


def partitions_text(info: BundleInfo) -> str:
    """-> how the rows were divided, and why no case is in two partitions."""
    if not info.training_sets:
        return ""
    validation = {
        None: "How many images were kept for validation is not recorded.",
        0: "No image was kept for validation: nothing was chosen by this network's own output.",
    }.get(
        info.num_validation_images,
        f"{info.num_validation_images or 0:,} images, whole groups of the training rows, were kept for validation.",
    )
    return (
        "Every split and fold divides groups, never the images of a group; training refuses a table in which a group "
        f"is on two sides. {validation} Nothing is chosen on cases that are scored. Two images of one person that no "
        "identifier and no likeness joins can still be on two sides."
    )


def preparation_text(info: BundleInfo) -> str:
    """-> how an image becomes the network's input, in training and in prediction."""
    preprocessing = info.preprocessing
    height, width = preprocessing.size_hw
    is_field = preprocessing.crop == "field"
    steps = [
        "Decoded to 8-bit gray as the file shows it.",
        "Cropped to the ultrasound field; text burned into the field is filled in." if is_field else "Not cropped.",
        "Each view of a split screen is an input of its own."
        if preprocessing.views == "panels"
        else "The frame is one input, split screen or not.",
        f"Scaled to {height} x {width} pixels (rows x columns) with the aspect ratio kept, the rest black.",
        "The output is mapped back to the image's own pixels by the exact inverse.",
    ]
    return "\n".join(f"- {step}" for step in steps)


def training_text(info: BundleInfo) -> str:
    """-> the recipe: how the final weights were chosen, and all settings of the training."""
    if not info.recipe:
        return f"The recipe is {NOT_RECORDED}."
    run, optim, loss = (_table_of(info.recipe, name) for name in ("run", "optim", "loss"))
    kept = run.get("keep")
    chosen = {
        "last": "the last epoch's: no epoch was chosen",
        "best": "those of the best epoch on the validation groups",
    }.get(str(kept), NOT_RECORDED)
    stops = run.get("early_stopping_epochs")
    average = optim.get("ema_decay")
    rows = [
        ("Final weights", chosen),
        ("Early stopping", f"after {stops} epochs without a better one" if stops else "none"),
        ("Average of the weights", f"exponential, decay {average:g}" if average else "none"),
        ("Optimiser", _settings(optim)),
        ("Loss", _settings(loss)),
        ("Data", _settings(_table_of(info.recipe, "data"))),
        ("Augmentation", _settings(_table_of(info.recipe, "augment"))),
        ("Network's settings", _settings(info.network_settings)),
    ]
    return bullets(rows)


def compute_text(info: BundleInfo) -> str:
    """-> epochs, steps, hours and processor of the training, as far as they are recorded."""
    counted = {name: value for name, value in info.compute.items() if name != "processor"}
    text = ", ".join(f"{one_line(value)} {one_line(name)}" for name, value in counted.items()) or NOT_RECORDED
    on = f", on {one_line(info.compute['processor'])}" if "processor" in info.compute else ""
    return f"Compute: {text}{on}."


def _table_of(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = recipe.get(name)
    return found if isinstance(found, Mapping) else {}


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{one_line(str(name))}` {_value(value)}" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return " ".join(map(_value, value)) or "none"
    if isinstance(value, Mapping):
        return " ".join(f"{one_line(str(key))} {_value(item)}" for key, item in value.items()) or "none"
    return one_line(str(value)) or "none"


def bullets(rows: Iterable[tuple[str, str]]) -> str:
    """(title, text) pairs -> one line per pair that has a text."""
    return "\n".join(f"- {title}: {text}" for title, text in rows if text)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Titles, rows of cells -> a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def one_line(text: str) -> str:
    """Text -> the same in one line."""
    return " ".join(text.split())
