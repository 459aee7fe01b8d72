"""Service -> its counts and times in the text format of Prometheus, for a monitor."""

from __future__ import annotations

from collections.abc import Iterator

from thyrosight.web.service import Service


def metrics_text(service: Service) -> str:
    """-> the text, in version 0.0.4 of the format.

    Items are counted on the disk; all other counts begin at the start of the server.
    """
    return "".join(f"{line}\n" for line in _lines(service))


def _lines(service: Service) -> Iterator[str]:
    counts = service.queue.counts()
    yield from _head("thyrosight_items", "gauge", "Files on the disk, by state.")
    yield from (f'thyrosight_items{{state="{state}"}} {number}' for state, number in counts.items())
    yield from _head("thyrosight_queue_length", "gauge", "Files that wait.")
    yield f"thyrosight_queue_length {counts['queued']}"
    yield from _head("thyrosight_queue_capacity", "gauge", "Files that may wait.")
    yield f"thyrosight_queue_capacity {service.queue.capacity}"
    num_frames, seconds = service.worker.tally.read()
    yield from _head("thyrosight_prediction_seconds", "summary", "Time to examine a frame.")
    yield f"thyrosight_prediction_seconds_sum {seconds:.6f}"
    yield f"thyrosight_prediction_seconds_count {num_frames}"
    yield from _head("thyrosight_uploads_refused_total", "counter", "Uploads that were refused, by reason.")
    for code, number in sorted(service.refused.items()):
        yield f'thyrosight_uploads_refused_total{{reason="{code}"}} {number}'
    yield from _head("thyrosight_worker_alive", "gauge", "1 while the worker runs.")
    yield f"thyrosight_worker_alive {int(service.worker.is_alive())}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"
