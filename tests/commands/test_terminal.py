"""Text, JSON and progress bars for terminals and pipes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from thyrosight.commands.terminal import (
    cell_text,
    in_line,
    plain,
    print_table,
    progress_bar,
    stdout_kept_for_json,
    words,
)
from thyrosight.types import Box

# What is shown


class Inner(BaseModel):
    value: float


@dataclass(frozen=True)
class Outer:
    path: Path
    box: Box
    inner: Inner
    numbers: tuple[float, ...]
    array: np.ndarray
    missing: None = None


def test_plain_is_json_whatever_comes_in() -> None:
    record = Outer(
        Path("a/b"), Box(1, 2, 3, 4), Inner(value=0.5), (1.0, math.nan, math.inf), np.array([[True], [False]])
    )
    assert plain(record) == {
        "path": "a/b",
        "box": [1, 2, 3, 4],
        "inner": {"value": 0.5},
        "numbers": [1.0, None, None],
        "array": [[True], [False]],
        "missing": None,
    }
    assert plain({1: np.float32(2.5)}) == {"1": 2.5}


def test_text_of_cells() -> None:
    assert [cell_text(value) for value in (None, 0.123456, 12, "x", True)] == ["-", "0.1235", "12", "x", "True"]
    assert in_line({"a": [1, 2], "b": {}}) == "a: 1, 2, b: -"
    assert words("num_empty_masks") == "empty masks"


def test_a_table_in_a_pipe_is_aligned_with_and_without_rich(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("0000", 1, "12.5 mm", None, ""), ("a longer name", 10, None, 0.123456, "touches_border")]
    columns = ("case", "nodules", "longest", "risk", "flags")
    print_table(columns, rows)
    ours = capsys.readouterr().out
    print_table(columns, [*rows, ("\u00e9", 1, "", "", "")])  # a letter that rich has to measure
    assert capsys.readouterr().out.splitlines()[:3] == ours.splitlines()
    assert ours.splitlines()[1].split() == ["0000", "1", "12.5", "mm", "-"]


def test_stdout_is_kept_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    with stdout_kept_for_json(True):
        print("chatter")
    with stdout_kept_for_json(False):
        print("result")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "chatter\n")


def test_no_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working") as progress:
        progress(1, 2)
    assert capsys.readouterr() == ("", "")
