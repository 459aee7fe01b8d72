"""Filter, order, cursor -> one page of the work-list. Facts and readings of an item -> its rows in the tables.

The list is read by SQL alone and opens no file, so it stays quick with many thousands of items.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from thyrosight.web.jobs.queue import JobQueue
from thyrosight.web.work_list_schemas import Order, Verdict, WorkListQuery

_READING = """CASE WHEN max(r.num_changed) > 0 THEN 'corrected' WHEN sum(r.verdict = 'agreed') > 0 THEN 'agreed'
WHEN sum(r.verdict = 'read') > 0 THEN 'read' WHEN sum(r.verdict = 'skipped') > 0 THEN 'skipped'
WHEN max(r.num_read) > 0 THEN 'agreed' ELSE 'unread' END"""
_RISK = "CASE WHEN own.who IS NOT NULL THEN own.risk WHEN last.who IS NOT NULL THEN last.risk ELSE f.risk END"
_LEVEL = "CASE WHEN own.who IS NOT NULL THEN own.level WHEN last.who IS NOT NULL THEN last.level ELSE f.level END"
_ORDERS: dict[Order, tuple[str, ...]] = {
    "order": ("-j.number", "i.sort_key", "i.number"),
    "newest": ("-i.number",),
    "name": ("i.sort_key", "i.number"),
    "risk": (f"-coalesce({_RISK}, -1)", "i.number"),
    "teaches": ("-coalesce(f.teaches, -1)", "i.number"),
}
_FROM = """FROM items i JOIN jobs j ON j.id = i.job_id LEFT JOIN facts f ON f.item_id = i.id
LEFT JOIN said own ON own.item_id = i.id AND own.who = ?
LEFT JOIN said last ON last.item_id = i.id AND last.place = 0
LEFT JOIN (SELECT r.item_id, {reading} AS reading, group_concat(
  CASE WHEN r.num_read > 0 OR r.verdict != 'unread' THEN r.who END, char(31)) AS readers
  FROM reader_states r {who} GROUP BY r.item_id) s ON s.item_id = i.id"""


@dataclass(frozen=True)
class ListedRow:
    """One item of the list. said_by: whose reading risk, level and nodules are of; None: they are the network's."""

    id: str
    job_id: str
    job_name: str | None
    created: str
    name: str
    path: str
    state: str
    num_frames: int | None
    frames_done: int
    error_code: str | None
    error_message: str | None
    seconds: float | None
    reading: str
    readers: str
    risk: float | None
    level: str | None
    is_level_proposed: bool
    num_nodules: int | None
    said_by: str | None
    flags: str
    model_id: str | None
    teaches: float | None


@dataclass(frozen=True)
class Facts:
    """The network's findings in an item.

    risk: of a still, the highest risk of its nodules; of a clip, the risk of the leading nodule. teaches: see
    `teaching_score`.
    """

    risk: float | None
    level: str | None
    num_nodules: int
    flags: tuple[str, ...]
    model_id: str
    teaches: float | None


_COLUMNS = f"""i.id, i.job_id, j.name, j.created, i.name, i.path, i.state, i.num_frames, i.frames_done, i.error_code,
i.error_message, i.seconds, coalesce(s.reading, 'unread'), coalesce(s.readers, ''), {_RISK}, {_LEVEL},
coalesce(own.is_level_proposed, last.is_level_proposed, 1), coalesce(own.num_nodules, last.num_nodules, f.num_nodules),
coalesce(own.who, last.who), coalesce(f.flags, ''), f.model_id, f.teaches"""


def list_items(queue: JobQueue, wanted: WorkListQuery) -> tuple[list[ListedRow], str | None, int]:
    """-> (at most `limit` items after the cursor, the next cursor or None, number of all items that fit).

    ValueError where the cursor does not belong to this order.
    """
    order, limit = _ORDERS[wanted.sort], wanted.limit
    source, values = _source(wanted)
    where, where_values = _conditions(wanted)
    ((total,),) = queue.read(f"SELECT count(*) {source} WHERE {where}", [*values, *where_values])
    after, after_values = "", []
    if wanted.cursor is not None:
        after_values = _place_of(wanted.cursor, len(order))
        after = f" AND ({', '.join(order)}) > ({', '.join('?' * len(order))})"
    rows = queue.read(
        f"SELECT {_COLUMNS}, {', '.join(order)} {source} WHERE {where}{after} ORDER BY {', '.join(order)} LIMIT ?",
        [*values, *where_values, *after_values, limit + 1],
    )
    num_columns = len(ListedRow.__dataclass_fields__)
    found = [ListedRow(*row[:num_columns]) for row in rows[:limit]]
    following = _cursor_of(rows[limit - 1][num_columns:]) if len(rows) > limit else None
    return found, following, int(total)


def note_facts(queue: JobQueue, item_id: str, facts: Facts) -> None:
    """Writes the network's findings in an item; readers' findings are not changed. `teaches` None: as before."""
    with queue.transaction() as db:
        db.execute(
            """INSERT INTO facts (item_id, risk, level, num_nodules, flags, model_id, teaches)
            SELECT id, ?, ?, ?, ?, ?, ? FROM items WHERE id = ?
            ON CONFLICT (item_id) DO UPDATE SET risk = excluded.risk, level = excluded.level, flags = excluded.flags,
            num_nodules = excluded.num_nodules, model_id = excluded.model_id,
            teaches = CASE WHEN model_id = excluded.model_id THEN coalesce(excluded.teaches, teaches)
              ELSE excluded.teaches END""",
            (
                *(facts.risk, facts.level, facts.num_nodules, "".join(f";{flag}" for flag in facts.flags) + ";"),
                *(facts.model_id, facts.teaches, item_id),
            ),
        )


@dataclass(frozen=True)
class Said:
    """A reader's findings in a still image. risk: the highest of the nodules. is_level_proposed: rests on measures."""

    risk: float | None
    level: str | None
    num_nodules: int
    is_level_proposed: bool


def note_reading(
    queue: JobQueue, item_id: str, counts: Mapping[str, tuple[int, int]], said: Mapping[str, Said]
) -> None:
    """Writes who has a reading of the item, and what each of them says.

    counts: {reader: (frames read, frames on which the network's outlines were changed)}. said: {reader: their
    findings}, the newest reading first; empty for a clip, of which the list shows the network's values.
    """
    with queue.transaction() as db:
        if db.execute("SELECT 1 FROM items WHERE id = ?", (item_id,)).fetchone() is None:
            return
        db.execute("UPDATE reader_states SET num_read = 0, num_changed = 0 WHERE item_id = ?", (item_id,))
        db.executemany(
            """INSERT INTO reader_states (item_id, who, num_read, num_changed, changed) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (item_id, who) DO UPDATE SET num_read = excluded.num_read, num_changed = excluded.num_changed,
            changed = excluded.changed""",
            [(item_id, who, read, changed, _now()) for who, (read, changed) in counts.items()],
        )
        db.execute("DELETE FROM said WHERE item_id = ?", (item_id,))
        db.executemany(
            """INSERT INTO said (item_id, who, place, risk, level, num_nodules, is_level_proposed)
            VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [
                (item_id, who, place, one.risk, one.level, one.num_nodules, one.is_level_proposed)
                for place, (who, one) in enumerate(said.items())
            ],
        )
        earlier = "read_risk = NULL, read_level = NULL, read_nodules = NULL"
        db.execute(f"UPDATE facts SET {earlier} WHERE item_id = ?", (item_id,))


def note_verdict(queue: JobQueue, item_id: str, who: str, verdict: Verdict) -> str:
    """Writes a reader's verdict on a whole item, next to earlier ones -> its time, by the server's clock."""
    now = _now()
    with queue.transaction() as db:
        if db.execute("SELECT 1 FROM items WHERE id = ?", (item_id,)).fetchone() is not None:
            values = (item_id, who, verdict, now)
            db.execute("INSERT INTO verdicts (item_id, who, verdict, saved_at) VALUES (?, ?, ?, ?)", values)
            db.execute(
                """INSERT INTO reader_states (item_id, who, verdict, changed) VALUES (?, ?, ?, ?)
                ON CONFLICT (item_id, who) DO UPDATE SET verdict = excluded.verdict, changed = excluded.changed""",
                values,
            )
    return now


def note_seen(queue: JobQueue, item_id: str, frame_index: int, who: str) -> None:
    """Writes that a second reader has read a frame, and may now see the network's result for it."""
    with queue.transaction() as db:
        db.execute(
            "INSERT OR IGNORE INTO seen (item_id, frame, who) SELECT id, ?, ? FROM items WHERE id = ?",
            (frame_index, who, item_id),
        )


def seen_frames(queue: JobQueue, item_id: str, who: str) -> set[int]:
    """-> the frames of the item that a second reader has read."""
    rows = queue.read("SELECT frame FROM seen WHERE item_id = ? AND who = ?", (item_id, who))
    return {row[0] for row in rows}


def agreed_readers(queue: JobQueue, item_id: str) -> list[str]:
    """-> the readers whose last verdict on the whole item is that they agree with the network's result."""
    rows = queue.read("SELECT who FROM reader_states WHERE item_id = ? AND verdict = 'agreed'", (item_id,))
    return [row[0] for row in rows]


def items_by_model(queue: JobQueue) -> dict[str, list[str]]:
    """-> {id of a model: ids of the finished items that it predicted}, the oldest items first."""
    found: dict[str, list[str]] = {}
    rows = queue.read(
        """SELECT f.model_id, i.id FROM items i JOIN facts f ON f.item_id = i.id
        WHERE i.state = 'done' AND f.model_id IS NOT NULL ORDER BY i.number""",
        (),
    )
    for model_id, item_id in rows:
        found.setdefault(model_id, []).append(item_id)
    return found


def items_without_facts(queue: JobQueue, limit: int = 1) -> list[str]:
    """-> ids of finished items whose findings are not in the tables as now, because an earlier version wrote them."""
    rows = queue.read(
        """SELECT i.id FROM items i LEFT JOIN facts f ON f.item_id = i.id
        WHERE i.state = 'done' AND (f.model_id IS NULL OR f.read_nodules IS NOT NULL) ORDER BY i.number DESC LIMIT ?""",
        (limit,),
    )
    return [row[0] for row in rows]


def read_item_ids(queue: JobQueue) -> list[str]:
    """-> ids of finished items that somebody has read, in the order of the list."""
    rows = queue.read(
        f"""SELECT i.id {_FROM.format(reading=_READING, who="")} WHERE i.state = 'done'
        AND s.reading IN ('read', 'agreed', 'corrected') ORDER BY j.number, i.sort_key, i.number""",
        (None,),
    )
    return [row[0] for row in rows]


def _source(wanted: WorkListQuery) -> tuple[str, list[Any]]:
    if wanted.who is None:
        return _FROM.format(reading=_READING, who=""), [None]
    return _FROM.format(reading=_READING, who="WHERE r.who = ?"), [wanted.who, wanted.who]


def _conditions(wanted: WorkListQuery) -> tuple[str, list[Any]]:
    """The filter -> (SQL conditions, their values)."""
    parts: list[tuple[str, list[Any]]] = [("1", [])]
    if wanted.reading is not None:
        parts.append(("i.state = 'done' AND coalesce(s.reading, 'unread') = ?", [wanted.reading]))
    if wanted.state is not None:
        parts.append(("i.state = ?", [wanted.state]))
    if wanted.flag is not None:
        parts.append(("instr(f.flags, ?) > 0", [f";{wanted.flag};"]))
    if wanted.min_risk is not None:
        parts.append((f"{_RISK} >= ?", [wanted.min_risk]))
    if wanted.max_risk is not None:
        parts.append((f"{_RISK} <= ?", [wanted.max_risk]))
    if wanted.level is not None:
        parts.append((f"{_LEVEL} LIKE ? ESCAPE '!'", ["%" + _literal(wanted.level)]))
    if wanted.job is not None:
        parts.append(("i.job_id = ?", [wanted.job]))
    if wanted.item is not None:
        parts.append(("i.id = ?", [wanted.item]))
    if wanted.search.strip():
        pattern = f"%{_literal(wanted.search.strip())}%"
        questions = [f"{column} LIKE ? ESCAPE '!'" for column in ("i.path", "i.name", "j.name")]
        parts.append((f"({' OR '.join(questions)})", [pattern] * len(questions)))
    return " AND ".join(part for part, _ in parts), [value for _, values in parts for value in values]


def _literal(text: str) -> str:
    """-> the text for SQL's LIKE, with ! before each character that LIKE would interpret."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _cursor_of(place: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(place)).encode()).decode()


def _place_of(cursor: str, num_values: int) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii", "replace")))
    except (ValueError, binascii.Error) as error:
        raise ValueError("no cursor of this list") from error
    is_place = isinstance(place, list) and all(isinstance(value, str | int | float) for value in place)
    if not is_place or len(place) != num_values or any(isinstance(v, int) and abs(v) >= 2**63 for v in place):
        raise ValueError("no cursor of this order")
    return list(place)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
