"""Bundles whose hashes are right: each that means no good is refused before anything of it runs, and soon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import evil_bundles_more
from evil_bundles import EVIL, constant, into_logit, node, write_bundle
from peak_memory import peak_megabytes
from thyrosight.bundle.store import load_bundle
from thyrosight.errors import BundleError
from thyrosight.inference.predictor import Predictor
from tiny_bundle import make_tiny_bundle, tiny_onnx

MAX_SECONDS = 20.0
"""On a busy machine; alone each takes less than 2."""
MAX_MEGABYTES = 400


def test_there_are_enough_of_them() -> None:
    assert len(EVIL) - evil_bundles_more.NUM_MORE >= 50
    assert evil_bundles_more.NUM_MORE >= 60


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_bundle_is_refused_before_it_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    def run(*given: Any, **options: Any) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr(onnxruntime, "InferenceSession", run)
    path = EVIL[name](tmp_path / name)
    before, started = peak_megabytes(), time.monotonic()
    with pytest.raises(BundleError) as caught:
        Predictor.load(path)
    assert time.monotonic() - started < MAX_SECONDS
    assert peak_megabytes() - before < MAX_MEGABYTES
    assert str(caught.value).startswith(str(path))
    assert "\x1b" not in str(caught.value)


def test_the_bundle_that_they_are_made_of_is_sound(tmp_path: Path) -> None:
    assert load_bundle(write_bundle(tmp_path / "sound", tiny_onnx())).info.name == "evil"


def test_memory_that_hangs_on_the_number_of_views_is_refused_when_that_number_comes(tmp_path: Path) -> None:
    """One view asks for 0 values, two for 2^32: only the check before each run can see it."""
    import onnx

    model = onnx.load_from_string(tiny_onnx())
    nodes = [
        node("Shape", ["image"], "sizes"),
        node("Gather", ["sizes", constant(model, "first", [0])], "views"),
        node("Sub", ["views", constant(model, "one", [1])], "more"),
        node("Mul", ["more", constant(model, "gigabytes", [1 << 30])], "size"),
        node("ConstantOfShape", ["size"], "huge"),
    ]
    into_logit(model, "huge", *nodes)
    bundle = load_bundle(write_bundle(tmp_path / "b", model.SerializeToString()))
    predictor = Predictor(bundle, threads=1)
    one = np.zeros((1, 1, 128, 128), np.float32)
    assert predictor._forward_once(one)[0].shape == one.shape
    with pytest.raises(BundleError, match="memory for 2 views"):
        predictor._forward_once(np.concatenate([one, one]))


def test_all_sessions_of_a_process_share_a_bounded_arena(tmp_path: Path) -> None:
    """The check can't foresee the order in which ONNX Runtime runs: its arena has a limit of its own."""
    from thyrosight.inference import onnx_runtime

    predictor = Predictor.load(make_tiny_bundle(tmp_path / "tiny"), threads=1)
    assert predictor._forward_once(np.zeros((1, 1, 128, 128), np.float32))[0].shape == (1, 1, 128, 128)
    assert onnx_runtime._register_shared_arena.cache_info().currsize == 1
