"""Fixtures of the tests that drive the page: the shipped model, phantoms in which it finds a nodule, a small server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fake_server import FakeServer


@pytest.fixture(scope="module")
def predictor() -> Any:
    from thyrosight.inference.predictor import Predictor

    return Predictor.load(threads=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two phantoms in which the shipped model finds a nodule."""
    from thyrosight.phantom.draw import draw_phantom
    from thyrosight.phantom.records import PhantomSettings

    folder = tmp_path_factory.mktemp("images")
    for index in range(2):
        settings = PhantomSettings(size_hw=(480, 640), no_nodule=0, split_screen=0)
        phantom = draw_phantom(np.random.default_rng([8, index]), settings)
        cv2.imwrite(str(folder / f"phantom-{index}.png"), phantom.image_HW)
    return sorted(folder.iterdir())


@pytest.fixture
def fake(predictor: Any) -> Iterator[FakeServer]:
    server = FakeServer(predictor, mm_per_pixel=0.09)
    server.address = server.start()  # type: ignore[attr-defined]
    yield server
    server.stop()
