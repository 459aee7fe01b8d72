"""A tiny predictor."""

from __future__ import annotations

import pytest

from thyrosight.inference.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Sees the whole frame in one view."""
    preprocessing = {"crop": "none", "views": "frame"}
    return Predictor.load(
        make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", preprocessing=preprocessing), threads=1
    )
