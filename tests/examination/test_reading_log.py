"""The log of readings: what is written is read again; half lines and foreign lines are named; nothing is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from thyrosight.errors import InputError
from thyrosight.examination.reading_log import LoggedReading, append_reading, read_log

READING = LoggedReading(
    reader="Ärztin 1",
    image_sha256="0" * 64,
    name="a\nb.png",
    width_px=40,
    height_px=30,
    network_shown=False,
    when="2026-01-02T03:04:05Z",
    outlines_xy=(((1.0, 2.5), (9.0, 2.0), (5.0, 9.0)),),
    suspicion=0.25,
    tirads_points=4,
    seconds=12.5,
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    log = tmp_path / "readings.jsonl"
    later = READING.model_copy(update={"network_shown": True, "outlines_xy": ()})
    append_reading(log, READING)
    append_reading(log, later)
    assert read_log(log) == ([READING, later], [])
    assert log.stat().st_mode & 0o077 == 0


def test_a_half_line_is_named_and_the_next_reading_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "readings.jsonl"
    append_reading(log, READING)
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:50])
    append_reading(log, READING)
    readings, faults = read_log(log)
    assert readings == [READING, READING]
    assert faults == [f"{log}, line 2: is no JSON object; a crash may have cut it off"]


@pytest.mark.parametrize("line", ["7", "[1]", '{"reader": "x"}', '{"suspicion": NaN}', "\xff"])
def test_a_line_that_is_no_reading_is_named(tmp_path: Path, line: str) -> None:
    log = tmp_path / "readings.jsonl"
    append_reading(log, READING)
    log.write_bytes(log.read_bytes() + line.encode("latin-1") + b"\n")
    readings, faults = read_log(log)
    assert readings == [READING]
    assert len(faults) == 1
    assert faults[0].startswith(f"{log}, line 2: ")


def test_an_empty_or_absent_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="holds no reading"):
        read_log(tmp_path / "empty")
    with pytest.raises(InputError, match="can't be read"):
        read_log(tmp_path / "absent")
    with pytest.raises(InputError, match="can't be written"):
        append_reading(tmp_path / "no" / "log", READING)


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    log = tmp_path / "readings.jsonl"

    def write(number: int) -> None:
        for _ in range(20):
            append_reading(log, READING.model_copy(update={"reader": f"reader {number}"}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    readings, faults = read_log(log)
    assert not faults
    assert sorted(reading.reader for reading in readings) == sorted(f"reader {n}" for n in range(4) for _ in range(20))
