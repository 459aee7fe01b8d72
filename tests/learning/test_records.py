"""OUT/learn.json: the plan that is stored holds; another request, or a folder of others, is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from thyrosight.errors import ConfigError, InputError
from thyrosight.learning.records import AUDIT_NAME, LearningPlan, LearnOptions, begin, keep_plan

OPTIONS = LearnOptions(hours=0.5)
PLAN = LearningPlan("imagenet", {"optim": {"epochs": 3}}, (("epochs", "3"),), {"folds": 60.0, "final network": 12.0})


def test_the_stored_plan_is_given_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert begin(out, tmp_path / "set", OPTIONS) is None
    assert begin(out, tmp_path / "set", OPTIONS) is None
    keep_plan(out, PLAN)
    assert begin(out, tmp_path / "set", replace(OPTIONS, workers=7)) == PLAN
    assert PLAN.total_seconds == 72


def test_another_request_names_what_differs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(out, tmp_path / "set", OPTIONS)
    keep_plan(out, PLAN)
    (out / AUDIT_NAME).write_text("{}")
    with pytest.raises(ConfigError, match=r"begun with hours 0\.5, now it is 1\.0"):
        begin(out, tmp_path / "set", replace(OPTIONS, hours=1.0))
    with pytest.raises(ConfigError, match="folder"):
        begin(out, tmp_path / "other", OPTIONS)


def test_before_there_is_a_plan_the_hours_may_be_others(tmp_path: Path) -> None:
    """The first call said that its hours do not suffice, and how many would."""
    out = tmp_path / "out"
    begin(out, tmp_path / "set", OPTIONS)
    more = replace(OPTIONS, hours=1.0, start="imagenet")
    assert begin(out, tmp_path / "set", more) is None
    keep_plan(out, PLAN)
    assert begin(out, tmp_path / "set", more) == PLAN
    other = tmp_path / "other"
    begin(other, tmp_path / "set", OPTIONS)
    (other / AUDIT_NAME).write_text("{}")
    with pytest.raises(ConfigError, match="begun with bundle"):
        begin(other, tmp_path / "set", replace(more, bundle=tmp_path / "mine"))


def test_a_folder_of_others_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not of `learn`"):
        begin(tmp_path, tmp_path / "set", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"asked": 3}'])
def test_a_damaged_record_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "learn.json").write_text(text)
    with pytest.raises(InputError, match="damaged"):
        begin(tmp_path, tmp_path / "set", OPTIONS)


def test_what_prepare_asked_for_may_be_added_in_the_same_folder(tmp_path: Path) -> None:
    """The first command ended with the question `--column patient=PID?`; with it, the second was refused."""
    out = tmp_path / "out"
    asked = replace(OPTIONS, prepare=replace(OPTIONS.prepare, columns={"patient": "PID"}))
    for folder, options in (("sett", OPTIONS), ("set", OPTIONS), ("set", asked)):
        assert begin(out, tmp_path / folder, options) is None
    (out / AUDIT_NAME).write_text("{}")
    assert begin(out, tmp_path / "set", asked) is None
    with pytest.raises(ConfigError, match="was begun with prepare"):
        begin(out, tmp_path / "set", OPTIONS)
