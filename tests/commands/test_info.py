"""info: a sound bundle and a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import error_line, runner
from thyrosight.cli import app
from tiny_bundle import make_tiny_bundle


def test_info_of_a_bundle_and_of_a_damaged_one(bundle: Path, tmp_path: Path) -> None:
    told = json.loads(runner.invoke(app, ["info", str(bundle), "--json"]).stdout)
    assert told["bundle"]["name"] == "tiny"
    assert told["installed"]["onnxruntime"][0].isdigit()
    text = runner.invoke(app, ["info", str(bundle)]).stdout
    assert "a stand-in for tests" in text
    assert "balanced" in text
    damaged = make_tiny_bundle(tmp_path / "damaged")
    onnx = bytearray((damaged / "model.onnx").read_bytes())
    onnx[40] ^= 1
    (damaged / "model.onnx").write_bytes(onnx)
    done = runner.invoke(app, ["info", str(damaged)])
    assert done.exit_code == 1
    assert "model.onnx" in error_line(done.stderr)
