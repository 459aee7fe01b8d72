"""A results folder's result.json files -> results.csv and report.html, both rebuilt whole each time.

    OUT/case_id/{mask.png, overlay.png, result.json}    OUT/results.csv    OUT/report.html    OUT/run.json

Predictions are read one at a time: memory does not grow with their number, and the page shows at most GALLERY_LIMIT.
"""

from __future__ import annotations

import base64
import csv
import heapq
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from thyrosight.errors import InputError
from thyrosight.overlay import strip_height
from thyrosight.pages import page_template
from thyrosight.prediction import Nodule, Prediction
from thyrosight.reading import Reading, in_words, rated, read_reading

MASK_NAME, OVERLAY_NAME, RESULT_NAME, CLIP_NAME = "mask.png", "overlay.png", "result.json", "clip.json"
CSV_NAME, REPORT_NAME, RUN_NAME = "results.csv", "report.html", "run.json"

GALLERY_LIMIT = 200
"""Cases on the page; of more, those of highest risk are shown and the page says so."""
THUMBNAIL_WIDTH_PX = 640
NUM_RISK_BINS = 10

UNREADABLE = "result.json is damaged or of another version; run again with --overwrite"

SIGN_COLUMNS = ("compactness", "solidity", "irregularity", "echogenicity_ratio", "cystic_share", "num_foci")
CSV_COLUMNS = (
    *("case_id", "file", "frame", "width_px", "height_px", "num_panels", "num_nodules", "risk", "nodule_risk"),
    *("area_px", "area_mm2", "longest_px", "longest_mm", "perpendicular_px", "perpendicular_mm"),
    *("anteroposterior_px", "anteroposterior_mm", "transverse_px", "transverse_mm", "taller_than_wide"),
    *SIGN_COLUMNS,
    *("mean_probability", "flags", "sha256", "model", "model_id", "software", "seconds"),
)
"""One row an image; from nodule_risk to mean_probability they speak of its largest nodule, empty without one."""
NUM_NODULE_COLUMNS = CSV_COLUMNS.index("mean_probability") - CSV_COLUMNS.index("nodule_risk") + 1


@dataclass(frozen=True)
class Failure:
    """A file that gave no result: its name within the run, and the line for people, which names it too."""

    file: str
    message: str


@dataclass
class Totals:
    """What the page says above the cases; added up while results.csv is written."""

    num_images: int = 0
    num_with_nodule: int = 0
    num_with_risk: int = 0
    risk_bins: list[int] = field(default_factory=lambda: [0] * NUM_RISK_BINS)
    flags: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    meanings: dict[str, None] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, prediction: Prediction) -> None:
        self.num_images += 1
        self.num_with_nodule += bool(prediction.nodules)
        self.flags.update({flag.code for flag in prediction.flags})
        self.models[f"{prediction.model.name} ({prediction.model.id})"] += 1
        self.meanings.setdefault(prediction.risk_meaning)
        if prediction.risk is not None:
            self.num_with_risk += 1
            self.risk_bins[min(int(prediction.risk * NUM_RISK_BINS), NUM_RISK_BINS - 1)] += 1


@dataclass(frozen=True)
class Card:
    """One case on the page."""

    case_id: str
    prediction: Prediction
    picture: str | None
    """A data: URL of the overlay, reduced; None where there is none."""
    reading: Reading | None
    """What a person said of it, where the outlines are that person's."""
    clip: str | None
    """What the whole clip says, where the case is one."""

    @property
    def tirads(self) -> dict[int, str]:
        """-> TI-RADS in words by nodule: with what a person said of it, else what measures alone propose."""
        said = self.reading or Reading()
        nodules = self.prediction.nodules
        return {nodule.number: in_words(said.assessment(nodule.number) or rated(nodule)) for nodule in nodules}


def write_results(out: Path, failures: Iterable[Failure] = ()) -> Path:
    """Results folder -> its results.csv and report.html, written anew from every result.json; the page's path."""
    totals, shown = _write_csv(out)
    failures = [*failures, *(Failure(name, f"{name}: {UNREADABLE}") for name in totals.unreadable)]
    cards = _cards(out, shown)
    with whole_file(out / REPORT_NAME) as stream:
        for piece in page_template("report.html").generate(
            totals=totals,
            failures=failures,
            cards=cards,
            num_shown=len(shown),
            gallery_limit=GALLERY_LIMIT,
            software=_software(),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        ):
            stream.write(piece)
    return out / REPORT_NAME


def read_result(case_folder: Path) -> Prediction | None:
    """Case folder -> its prediction; None where there is none or it is not whole or not of this version."""
    try:
        return Prediction.model_validate_json((case_folder / RESULT_NAME).read_bytes())
    except (OSError, ValueError):
        return None


def case_folders(out: Path) -> list[str]:
    """Results folder -> names of the case folders that hold a result.json, in natural order."""
    with os.scandir(out) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return sorted((name for name in names if (out / name / RESULT_NAME).is_file()), key=natural)


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Name -> sort key under which case 2 comes before case 10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], name


def csv_row(case_id: str, prediction: Prediction) -> list[Any]:
    """Prediction -> its row under CSV_COLUMNS; what is not known is empty."""
    image, nodule = prediction.image, next(iter(prediction.nodules), None)
    row = [
        *(case_id, image.name, image.frame_index, image.width_px, image.height_px),
        *(len(prediction.panels), len(prediction.nodules), prediction.risk),
        *(_nodule_values(nodule) if nodule else [None] * NUM_NODULE_COLUMNS),
        ";".join(dict.fromkeys(flag.code for flag in prediction.flags)),
        *(image.sha256, prediction.model.name, prediction.model.id, prediction.software_version, prediction.seconds),
    ]
    return [_cell(value) for value in row]


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Path -> a text stream; the file appears under its name when the block ends well, and not at all otherwise."""
    temporary = path.parent / f".thyrosight-{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path}: can't be written ({reason}); free the space or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(out: Path) -> tuple[Totals, list[str]]:
    """-> (totals of all results, the case ids that the page shows); writes results.csv on the way."""
    totals = Totals()
    risks: list[tuple[float, str]] = []
    order: list[str] = []
    with whole_file(out / CSV_NAME) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for case_id in case_folders(out):
            prediction = read_result(out / case_id)
            if prediction is None:
                totals.unreadable.append(case_id)
                continue
            totals.add(prediction)
            writer.writerow(csv_row(case_id, prediction))
            risks.append((-1.0 if prediction.risk is None else prediction.risk, case_id))
            order.append(case_id)
    if len(order) <= GALLERY_LIMIT:
        return totals, order
    return totals, [case_id for _, case_id in heapq.nlargest(GALLERY_LIMIT, risks, key=lambda pair: pair[0])]


def _cards(out: Path, case_ids: Iterable[str]) -> Iterator[Card]:
    for case_id in case_ids:
        prediction = read_result(out / case_id)
        if prediction is not None:
            picture = _thumbnail(out / case_id / OVERLAY_NAME, strip_height(prediction))
            yield Card(case_id, prediction, picture, read_reading(out / case_id), _clip_words(out / case_id))


def _clip_words(case_folder: Path) -> str | None:
    """Case folder -> a line on the clip that it holds; None where it is of a still, or clip.json can't be read."""
    try:
        clip = json.loads((case_folder / CLIP_NAME).read_bytes())
        words = (
            f"Clip: {clip['num_read']} of {clip['num_frames']} frames read, a nodule in {clip['num_with_nodule']}; "
            "shown is the one with the largest section"
        )
        risk, spread = clip["risk"], clip["risk_spread"]
        if risk is None or spread is None:
            return f"{words}. {clip['risk_reason'] or ''}".strip()
        return f"{words}. Risk over frames {risk:.0%} ({spread['minimum']:.0%} to {spread['maximum']:.0%})."
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _thumbnail(path: Path, strip_px: int) -> str | None:
    """Overlay PNG without its strip of text -> JPEG data: URL, reduced, so that the page stays one light file."""
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        return None
    picture = picture[: max(1, picture.shape[0] - strip_px)]
    height, width = picture.shape[:2]
    if width > THUMBNAIL_WIDTH_PX:
        size = (THUMBNAIL_WIDTH_PX, max(1, round(height * THUMBNAIL_WIDTH_PX / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 78])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _nodule_values(nodule: Nodule) -> list[Any]:
    size, signs = nodule.size, nodule.signs
    return [
        *(nodule.risk, size.area_px, size.area_mm2, size.longest_px, size.longest_mm),
        *(size.perpendicular_px, size.perpendicular_mm, size.anteroposterior_px, size.anteroposterior_mm),
        *(size.transverse_px, size.transverse_mm, size.taller_than_wide),
        *(getattr(signs, name, None) for name in SIGN_COLUMNS),
        nodule.mean_probability,
    ]


def _cell(value: Any) -> Any:
    """A value -> its CSV cell; booleans 0/1, and no text that a spreadsheet would take for a formula."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _software() -> str:
    from thyrosight import __version__

    return f"thyrosight {__version__}"
