"""learn for real, on small phantoms: killed twice on its way, it ends with the weights and scores of a run without."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

pytest.importorskip("lightning", reason="the training extra is not installed")

from kills import ENDED, in_child, killed_at
from thyrosight.bundle.store import load_bundle
from thyrosight.learning.learn import learn
from thyrosight.learning.records import LearnOptions
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings

SETTINGS = (
    "network.encoder=lite0",
    "data.size_hw=[32, 32]",
    "optim.epochs=2",
    "run.threads=1",
    "run.precision=32",
    "run.preview_every=0",
)
OPTIONS = LearnOptions(hours=1.0, start="random", overrides=SETTINGS, workers=1)
SCORES = ("folds/pooled/per_case.csv", "across/pooled/per_case.csv", "untouched/per_case.csv", "comparison.json")


def results_of(out: Path) -> dict[str, str]:
    """What must not depend on stops: weights, scores without seconds, calibration."""
    found = {"weights": hashlib.sha256((out / "bundle" / "weights.safetensors").read_bytes()).hexdigest()}
    for name in SCORES[:3]:
        lines = (out / name).read_text().splitlines()
        place = lines[0].split(",").index("seconds")
        found[name] = "\n".join(
            ",".join(cell for at, cell in enumerate(line.split(",")) if at != place) for line in lines
        )
    scores = json.loads((out / SCORES[3]).read_text())["scores"]
    return found | {"comparison": str(scores), "calibration": str(load_bundle(out / "bundle").info.calibration)}


@pytest.mark.slow
def test_killed_twice_it_ends_as_without(tmp_path: Path) -> None:
    folder = write_phantoms(12, tmp_path / "set", seed=3, settings=PhantomSettings(size_hw=(128, 128))).parent
    whole, out = tmp_path / "whole", tmp_path / "out"
    status, num_writes = in_child(lambda: learn(folder, whole, OPTIONS))
    assert status == ENDED
    for share in (0.4, 0.5):
        status, _ = in_child(lambda: learn(folder, out, OPTIONS), killed_at(int(share * num_writes)))
        assert status == -signal.SIGKILL
    assert in_child(lambda: learn(folder, out, OPTIONS))[0] == ENDED
    assert results_of(out) == results_of(whole)
    assert (out / "report.html").exists()
