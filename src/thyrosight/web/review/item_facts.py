"""Files of a finished item -> its rows of the work-list: findings of the network and of readers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from thyrosight.prediction import Nodule, Prediction
from thyrosight.tirads.reading import assess_nodule, level_words
from thyrosight.web.jobs.clip_summary import highest_risk
from thyrosight.web.jobs.queue import ItemRow, JobQueue
from thyrosight.web.jobs.store import Store
from thyrosight.web.jobs.teaching import teaching_score
from thyrosight.web.jobs.work_list import Facts, Said, note_facts, note_reading
from thyrosight.web.review.corrections import present_readings
from thyrosight.web.schemas import ClipSummary, Correction

_indexing = threading.Lock()
"""Lock that is held while files are read and their row is written, so that an older state never replaces a newer
one."""


def index_item(queue: JobQueue, store: Store, item: ItemRow, doubts: Sequence[float] = ()) -> None:
    """Writes a finished item's rows of the work-list: what the network found, and who has read the item.

    doubts: `outline_doubt` of each frame that was just predicted; where empty, the list has no `teaches` for the item.
    Nothing is written where no frame has a result.
    """
    predictions = [found for index in range(item.num_frames or 1) if (found := store.prediction(item, index))]
    if predictions:
        note_facts(queue, item.id, network_facts(predictions, clip_of(store, item), doubts))
        index_readings(queue, store, item)


def index_readings(queue: JobQueue, store: Store, item: ItemRow) -> None:
    """Writes who has a reading of the item and, for a still image, what each of them says."""
    with _indexing:
        _index_readings(queue, store, item)


def _index_readings(queue: JobQueue, store: Store, item: ItemRow) -> None:
    readings = [one for frame in _read_frames(store, item) for one in present_readings(store, item, frame)]
    counts: dict[str, tuple[int, int]] = {}
    for one in readings:
        num_read, num_changed = counts.get(one.who, (0, 0))
        counts[one.who] = num_read + 1, num_changed + one.changes_network
    is_still = item.num_frames == 1
    note_reading(queue, item.id, counts, {one.who: said_by_reading(one) for one in readings if is_still})


def network_facts(predictions: Sequence[Prediction], clip: ClipSummary | None, doubts: Sequence[float]) -> Facts:
    """Predictions of an item's frames -> its facts. The risk of a clip is that of its leading nodule."""
    flags = dict.fromkeys(flag.code for prediction in predictions for flag in prediction.flags)
    if len(predictions) > 1:
        flags.pop("no_nodule", None)
    nodules = [nodule for prediction in predictions for nodule in prediction.nodules]
    if clip is not None and not nodules:
        flags["no_nodule"] = None
    risk = highest_risk(predictions[0]) if clip is None else clip.risk
    return Facts(
        risk=risk,
        level=highest_level(nodules),
        num_nodules=len({nodule.number for nodule in nodules}),
        flags=tuple(flags),
        model_id=predictions[0].model.id,
        teaches=teaching_score(max(doubts), risk, "unlike_training" in flags) if doubts else None,
    )


def highest_level(nodules: Iterable[Nodule]) -> str | None:
    """Nodules -> the strictest level that their measures propose (ACR); None without a nodule."""
    found = [(assessment.highest_level or "", level_words(assessment)) for assessment in map(assess_nodule, nodules)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def said_by_reading(correction: Correction) -> Said:
    """Reading -> highest risk, highest level, number of nodules; a risk or level is None where no nodule has one."""
    risks = [finding.nodule.risk for finding in correction.findings if finding.nodule.risk is not None]
    rated = [finding for finding in correction.findings if finding.level is not None]
    highest = max(rated, key=lambda finding: (finding.level or "")[-3:], default=None)
    return Said(
        risk=max(risks, default=None),
        level=None if highest is None else highest.level,
        num_nodules=len(correction.findings),
        is_level_proposed=highest is not None and highest.is_level_proposed,
    )


def clip_of(store: Store, item: ItemRow) -> ClipSummary | None:
    """-> a clip's summary; None for a still."""
    content = store.clip(item)
    try:
        return None if content is None else ClipSummary.model_validate_json(content)
    except ValueError:
        return None


def _read_frames(store: Store, item: ItemRow) -> list[int]:
    """-> frames of the item that have a reading, or a correction of an earlier version."""
    folder = store.readings_folder(item)
    found = {int(path.name) for path in folder.iterdir() if path.name.isdigit()} if folder.is_dir() else set()
    return sorted(found | {index for index in range(item.num_frames or 1) if store.has_old_correction(item, index)})
