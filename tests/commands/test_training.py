"""train and cross-validate: refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import error_line, runner
from thyrosight.cli import app
from thyrosight.commands.training import labelled_set
from thyrosight.config import load_recipe, recipe_names
from thyrosight.errors import ConfigError
from tiny_bundle import make_tiny_bundle


@pytest.mark.parametrize("fold", ["x", "-1", "1.5", ""])
def test_a_fold_that_is_none_is_refused(fold: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("")
    arguments = ["train", str(config), "--cases", str(config), "-o", str(tmp_path / "run"), f"--fold={fold}"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "--fold" in error_line(done.stderr)


def test_a_mistyped_setting_is_told_its_neighbours(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("")
    arguments = ["train", str(config), "--cases", str(config), "-o", str(tmp_path / "run"), "--set", "optim.epoch=3"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "epochs" in error_line(done.stderr)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "--recipe NAME"),
        (["FILE", "--recipe", "finetune"], "give one"),
        (["--recipe", "finetuned"], "choose one of finetune"),
    ],
)
def test_a_file_or_a_recipe_one_of_both(given: list[str], told: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("")
    words = [str(config) if word == "FILE" else word for word in given]
    for command in ("train", "cross-validate"):
        done = runner.invoke(app, [command, *words, "--cases", str(config), "-o", str(tmp_path / "run")])
        assert done.exit_code == 2
        assert told in error_line(done.stderr)
    assert not (tmp_path / "run").exists()


def test_help_and_info_name_every_recipe() -> None:
    names = recipe_names()
    assert set(names) == set(json.loads(runner.invoke(app, ["info", "--recipes", "--json"]).stdout))
    listed = runner.invoke(app, ["info", "--recipes"]).stdout
    helped = " ".join(runner.invoke(app, ["train", "--help"]).stdout.split())
    for name, about in names.items():
        assert name in helped
        assert f"{name} " in listed
        assert about in listed
        assert load_recipe(name, ["optim.epochs=3"]).optim.epochs == 3


def test_training_without_its_extra_gives_the_pip_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lightning" else find_spec(name))
    done = runner.invoke(app, ["export", str(tmp_path), "-o", str(tmp_path / "bundle")])
    assert done.exit_code == 2
    line = error_line(done.stderr)
    assert "lightning" in line
    assert "pip install 'thyrosight[train,pretrained]'" in line
    assert "torch" not in line.partition("not found")[0]


def test_column_needs_role_and_name(tmp_path: Path) -> None:
    for text in ("patient", "=PatID", "patient="):
        done = runner.invoke(app, ["prepare", str(tmp_path), "-o", str(tmp_path), "--column", text])
        assert done.exit_code == 2
        assert f"--column {text}" in error_line(done.stderr)


def test_learn_takes_what_readers_said_on_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fastapi")
    from reader_desk import Desk, as_findings

    with pytest.raises(ConfigError, match="from-server"):
        labelled_set(None, None, tmp_path / "out")
    with pytest.raises(ConfigError, match="from-server"):
        labelled_set(tmp_path, tmp_path, tmp_path / "out")
    assert labelled_set(tmp_path, None, tmp_path / "out") == tmp_path
    desk = Desk(make_tiny_bundle(tmp_path / "tiny"), tmp_path / "data")
    item_id = desk.send()
    desk.save(item_id, {"findings": as_findings(desk.nodules(item_id))})
    table = labelled_set(None, tmp_path / "data", tmp_path / "out")
    assert "readers saw the outlines of" in " ".join(capsys.readouterr().err.split()), "the shipped one is another"
    assert table == tmp_path / "out-readings" / "cases.csv"
    before = table.read_bytes()
    desk.save(desk.send(), {"findings": []})
    assert labelled_set(None, tmp_path / "data", tmp_path / "out").read_bytes() == before, "the same after a stop"
    assert "without a folder per patient" not in capsys.readouterr().err, "of one image nothing can be divided"
    labelled_set(None, tmp_path / "data", tmp_path / "both", tmp_path / "tiny")
    told = " ".join(capsys.readouterr().err.split())
    assert "note: 2 files were uploaded without a folder per patient" in told
    assert "readers saw" not in told, "it begins from the network whose outlines they saw"
    desk.close()
