"""Images -> folder names that are safe and unique."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from scans import write_scans
from thyrosight.results.case_ids import assign_case_ids


def test_several_folders_are_told_apart_by_their_names(tmp_path: Path) -> None:
    write_scans(tmp_path, "one/x.png", "two/x.png")
    folders = [tmp_path / "one", tmp_path / "two"]
    tasks = assign_case_ids(folders, [folder / "x.png" for folder in folders])
    assert [task.case_id for task in tasks] == ["one__x", "two__x"]
    assert [task.name for task in tasks] == ["one/x.png", "two/x.png"]
    loose = assign_case_ids([], [folder / "x.png" for folder in folders])
    assert loose[0].case_id == "x"
    assert re.fullmatch("x-[0-9a-f]{8}", loose[1].case_id)


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=90), max_size=12, unique=True))
@settings(max_examples=200, deadline=None)
def test_ids_are_safe_names_and_unique_on_any_file_system(names: list[str]) -> None:
    images = [Path("/in") / f"{name}.png" for name in names]
    ids = [task.case_id for task in assign_case_ids([], images, reserved=["run.json"])]
    assert len({case_id.casefold() for case_id in ids}) == len(names)
    for case_id in ids:
        assert re.fullmatch(r"[\w.-]+", case_id)
        assert case_id[0] not in ".-"
        assert case_id[-1] != "."
        assert len(case_id.encode()) <= 255
        assert case_id.casefold().split(".")[0] not in {"con", "nul", "com1"}
    assert ids == [task.case_id for task in assign_case_ids([], images, reserved=["run.json"])]
