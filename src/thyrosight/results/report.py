"""result.json files of a results folder -> results.csv and report.html, both written anew each time.

Predictions are read one at a time, so memory does not grow with their number; the page shows at most GALLERY_LIMIT.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from thyrosight.environment import software_version, utc_now_for_people
from thyrosight.files import open_atomic, raise_disk_fault
from thyrosight.inference.onnx_runtime import default_threads
from thyrosight.inference.prevalence import share_in_words
from thyrosight.prediction import Prediction
from thyrosight.results.layout import (
    CLIP_NAME,
    OVERLAY_NAME,
    REPORT_NAME,
    FailedFile,
    case_folders,
    read_picture,
    read_result,
)
from thyrosight.results.overlay import strip_height, thumbnail
from thyrosight.results.pages import page_template
from thyrosight.results.results_csv import write_results_csv
from thyrosight.tirads.reading import READING_NAME, RatedNodule, Reading, assess_nodule, in_words, read_reading

GALLERY_LIMIT = 200
"""Most cases on the page. Where there are more, those with the highest risk are shown, and the page states this."""
NUM_RISK_BINS = 10

UNREADABLE = "result.json is damaged or of another version; run again with --overwrite"


@dataclass
class Totals:
    """The numbers at the top of the page; they are added up while results.csv is written.

    A case with a person's outlines shows an image that the network's case shows as well: it is no further image.
    """

    num_images: int = 0
    num_corrected: int = 0
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
        share = prediction.risk_share.sentence if prediction.risk_share else share_in_words(None)
        self.meanings.setdefault(
            prediction.risk_meaning if prediction.risk is None else f"{prediction.risk_meaning.rstrip('.')}. {share}"
        )
        if prediction.risk is not None:
            self.num_with_risk += 1
            self.risk_bins[min(int(prediction.risk * NUM_RISK_BINS), NUM_RISK_BINS - 1)] += 1


@dataclass(frozen=True)
class Card:
    """One case on the page."""

    case_id: str
    prediction: Prediction
    picture: str | None
    """A data: URL of the reduced overlay; None without one."""
    reading: Reading | None
    """The reading of the person who drew the outlines; None where the outlines are the network's."""
    clip: str | None
    """A line about the whole clip; None for a still."""

    @property
    def said(self) -> dict[int, RatedNodule]:
        """-> {number of a nodule: the person's note on the nodule}."""
        return {rated.number: rated for rated in self.reading.nodules} if self.reading else {}

    @property
    def tirads(self) -> dict[int, str]:
        """-> {number of a nodule: its TI-RADS in words}, from a person's reading, else as measures propose it."""
        reading = self.reading or Reading()
        rated = ((nodule, reading.assessment(nodule.number)) for nodule in self.prediction.nodules)
        return {nodule.number: in_words(assessment or assess_nodule(nodule)) for nodule, assessment in rated}


def write_results(
    out: Path, failures: Iterable[FailedFile] = (), thumbnails: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Results folder -> path of its report.html; writes it and results.csv anew from every result.json.

    thumbnails: {case id: reduced overlay} of cases just drawn. For other cases the overlay file is read.
    """
    totals, risks = Totals(), dict[str, float]()
    write_results_csv(out, _each_result(out, totals, risks))
    shown = _shown(risks)
    failures = [*failures, *(FailedFile(name, f"{name}: {UNREADABLE}") for name in totals.unreadable)]
    cards = _cards(out, shown, thumbnails)
    with open_atomic(out / REPORT_NAME) as stream:
        for piece in page_template("report.html").generate(
            totals=totals,
            failures=failures,
            cards=cards,
            num_shown=len(shown),
            gallery_limit=GALLERY_LIMIT,
            software=software_version(),
            written=utc_now_for_people(),
        ):
            stream.write(piece)
    return out / REPORT_NAME


def _each_result(out: Path, totals: Totals, risks: dict[str, float]) -> Iterator[tuple[str, Prediction]]:
    """Results folder -> (case id, prediction) of each readable case, in natural order.

    Adds each prediction to `totals`, and {case id: risk, -1 without one} to `risks`.
    """
    for case_id in case_folders(out):
        prediction = read_result(out / case_id)
        if prediction is None:
            totals.unreadable.append(case_id)
            continue
        if (out / case_id / READING_NAME).is_file():
            totals.num_corrected += 1
        else:
            totals.add(prediction)
        risks[case_id] = -1.0 if prediction.risk is None else prediction.risk
        yield case_id, prediction


def _shown(risks: dict[str, float]) -> list[str]:
    """{case id: risk} -> the cases that the page shows: all, or the GALLERY_LIMIT of highest risk."""
    if len(risks) <= GALLERY_LIMIT:
        return list(risks)
    return heapq.nlargest(GALLERY_LIMIT, risks, key=lambda case_id: risks[case_id])


def _cards(out: Path, case_ids: Iterable[str], thumbnails: Mapping[str, str]) -> Iterator[Card]:
    """-> the cards in order, made by one thread per core; at most one finished card per thread waits in memory."""
    number = default_threads()
    with ThreadPoolExecutor(number) as threads:
        waiting: deque[Future[Card | None]] = deque()
        for case_id in case_ids:
            waiting.append(threads.submit(_card, out, case_id, thumbnails.get(case_id)))
            if len(waiting) > number and (card := waiting.popleft().result()) is not None:
                yield card
        for future in waiting:
            if (card := future.result()) is not None:
                yield card


def _card(out: Path, case_id: str, picture: str | None) -> Card | None:
    prediction = read_result(out / case_id)
    if prediction is None:
        return None
    if picture is None and (overlay_HW3 := read_picture(out / case_id / OVERLAY_NAME)) is not None:
        picture = thumbnail(overlay_HW3, strip_height(prediction))
    return Card(case_id, prediction, picture, read_reading(out / case_id), _clip_words(out / case_id))


def _clip_words(case_folder: Path) -> str | None:
    """Case folder -> a line about its clip; None for a still, and where clip.json can't be read."""
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error)
        return None
