"""A run's folder: what it records of rows and settings, which run may continue it, and a run of an older version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thyrosight.config import Config, config_from_dict
from thyrosight.errors import ConfigError, InputError
from thyrosight.export.run_folder import prepare_run, read_run, refuse_other_settings, rows_record, run_record
from thyrosight.types import Case


def case(source: str, case_id: str) -> Case:
    return Case(case_id=case_id, image=Path("x.png"), mask=None, malignancy=None, group=case_id, source=source)


ROWS = rows_record([case("ddti", "1")], [case("ddti", "2")], [case("busi", "1")], [])


def test_rows_are_named_by_their_use() -> None:
    assert ROWS == {"fit": ["ddti/1"], "validation": ["ddti/2"], "shown": ["busi/1"], "kept_out": []}


def test_only_the_same_run_continues(tmp_path: Path) -> None:
    out, table = tmp_path / "run", tmp_path / "cases.csv"
    record = run_record(Config(), [table], out, fold=1)
    prepare_run(out, False, record, ROWS)
    assert read_run(out)["cases"] == ["../cases.csv"]
    with pytest.raises(InputError, match="pass --resume to continue it"):
        prepare_run(out, False, record, ROWS)
    prepare_run(out, True, record, ROWS)
    with pytest.raises(ConfigError, match="other cases or another split"):
        prepare_run(out, True, record, ROWS | {"kept_out": ["ddti/3"]})
    with pytest.raises(ConfigError, match=r"other settings \(config\.optim\.lr: 0\.001 then, 0\.1 now\)"):
        prepare_run(out, True, run_record(config_from_dict({"optim": {"lr": 0.1}}), [table], out, fold=1), ROWS)


def test_a_run_goes_on_with_what_another_machine_can_give(tmp_path: Path) -> None:
    record = run_record(config_from_dict({"run": {"threads": 1}}), [], tmp_path, fold=None)
    (tmp_path / "config.json").write_text(json.dumps(record))
    other = {"run": {"threads": 8, "max_minutes": 30}, "data": {"cache_mb": 512, "num_workers": 2}}
    refuse_other_settings(tmp_path, run_record(config_from_dict(other), [], tmp_path, fold=None))


def test_an_older_run_named_reference_sources_by_repeat_0(tmp_path: Path) -> None:
    now = config_from_dict({"data": {"reference_sources": ["busi"], "repeat": {"phantom": 0.1}}})
    record = run_record(now, [], tmp_path, fold=None)
    older = json.loads(json.dumps(record))
    del older["config"]["data"]["reference_sources"]
    older["config"]["data"]["repeat"] = {"busi": 0.0, "phantom": 0.1}
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert config_from_dict(read_run(tmp_path)["config"]) == now
    refuse_other_settings(tmp_path, record)
