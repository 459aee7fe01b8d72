"""The same inputs have the same names and case ids in tables as in a results folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drawn_images import picture, rectangle, save
from thyrosight.archive.sources import find_items
from thyrosight.errors import InputError
from thyrosight.results.predict_case import FolderOptions
from thyrosight.results.predict_folder import _tasks

SOURCES: dict[str, Callable[[Path], list[Path]]] = {
    "a folder": lambda here: [here / "one"],
    "two folders": lambda here: [here / "one", here / "two"],
    "two files": lambda here: [here / "one" / "a.png", here / "one" / "b.png"],
    "two files of one name": lambda here: [here / "one" / "a.png", here / "two" / "a.png"],
    "a folder and a file": lambda here: [here / "one", here / "two" / "a.png"],
    "a folder and a file in it": lambda here: [here / "one" / "b.png", here / "one"],
    "a file twice": lambda here: [here / "one" / "a.png"] * 2,
    "two folders of one name": lambda here: [here / "one" / "deep", here / "two" / "deep"],
    "a file that is missing": lambda here: [here / "one", here / "gone.png"],
    "a folder without an image": lambda here: [here / "one", here / "empty"],
    "names that a run needs": lambda here: [here / "taken"],
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for number, folder in enumerate(("one", "two")):
        save(tmp_path / folder / "a.png", picture(number))
        save(tmp_path / folder / "a_mask.png", rectangle())
        save(tmp_path / folder / "b.png", picture(10 + number))
        save(tmp_path / folder / "deep" / "c d.png", picture(20 + number))
    save(tmp_path / "taken" / "run.json.png", picture(30))
    save(tmp_path / "taken" / "results.csv.png", picture(31))
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("frame", [None, 2])
@pytest.mark.parametrize("masks_too", [False, True])
@pytest.mark.parametrize("kind", SOURCES)
def test_one_naming(here: Path, kind: str, masks_too: bool, frame: int | None) -> None:
    sources = SOURCES[kind](here)
    tasks, _, masks = _tasks(sources, here / "out", FolderOptions(masks_too=masks_too, frame_index=frame))
    suffix = f"_frame{frame}" if frame else ""
    found = find_items([str(source) for source in sources], masks_too=masks_too, suffix=suffix)
    assert [(item.name, item.case_id) for item in found.items] == [(task.name, task.case_id) for task in tasks]
    assert [Path(item.place["path"]) for item in found.items] == [task.path for task in tasks]
    assert found.masks == masks


def test_nothing_at_any_place_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match="gone: no such file or folder"):
        find_items([str(here / "gone")])
    with pytest.raises(InputError, match="no image found"):
        find_items([str(here / "empty"), str(here / "empty")])
