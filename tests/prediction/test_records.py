"""A Prediction in a program: its mask, overlay, table, short text and notebook view."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thyrosight.errors import InputError
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import HIGH_RISK, LOW_RISK, Prediction
from tiny_bundle import make_tiny_bundle

GRAY_HW = np.full((200, 300), 150, np.uint8)
ROWS, COLUMNS = np.mgrid[:200, :300]
DISC_HW = (ROWS - 90) ** 2 + (COLUMNS - 100) ** 2 < 30**2
SMALL_HW = (ROWS - 120) ** 2 + (COLUMNS - 220) ** 2 < 18**2
GRAY_HW[DISC_HW | SMALL_HW] = 40


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"), threads=1)


@pytest.fixture(scope="module")
def prediction(predictor: Predictor) -> Prediction:
    return predictor.predict(GRAY_HW)


def test_the_mask_is_the_examinations_in_source_pixels(predictor: Predictor, prediction: Prediction) -> None:
    assert prediction.mask.shape == (200, 300)
    assert prediction.mask.dtype == np.bool_
    assert np.array_equal(prediction.mask, predictor.examine(GRAY_HW).mask_HW)
    assert np.count_nonzero(prediction.mask ^ (DISC_HW | SMALL_HW)) < 0.1 * DISC_HW.sum()
    empty = predictor.predict(np.full((200, 300), 150, np.uint8))
    assert not empty.mask.any()
    assert empty.table() == []


def test_the_overlay_has_the_sources_size_and_differs_by_the_outlines_alone(prediction: Prediction) -> None:
    picture = prediction.overlay()
    assert (picture.mode, picture.size) == ("RGB", (300, 200))
    changed_HW = (np.asarray(picture) != np.asarray(prediction.overlay(Image.fromarray(GRAY_HW)))).any(axis=2)
    assert not changed_HW.any(), "the field of this image is all of it"
    drawn_HW = (np.asarray(picture) != GRAY_HW[..., None]).any(axis=2)
    assert 0 < drawn_HW.sum() < 1500
    colours = {tuple(map(int, colour)) for colour in np.asarray(picture)[drawn_HW]}
    assert colours & {HIGH_RISK, LOW_RISK}


def test_a_prediction_from_json_draws_on_the_image_that_it_is_given(prediction: Prediction) -> None:
    again = Prediction.model_validate_json(prediction.to_json())
    assert again == prediction
    assert hash(again) == hash(prediction)
    assert again != again.model_copy(update={"risk": 0.123})
    with pytest.raises(InputError, match=r"overlay\(image\)"):
        again.overlay()
    assert np.array_equal(np.asarray(again.overlay(GRAY_HW)), np.asarray(prediction.overlay()))
    with pytest.raises(InputError, match="299 x 200 pixels, that of the prediction 300 x 200"):
        again.overlay(GRAY_HW[:, 1:])
    with pytest.raises(InputError, match="give uint8"):
        again.overlay(GRAY_HW / 255)


def test_the_table_has_one_flat_row_per_nodule(prediction: Prediction) -> None:
    rows = prediction.table()
    assert [row["nodule"] for row in rows] == [1, 2]
    assert [row["area_px"] for row in rows] == [nodule.size.area_px for nodule in prediction.nodules]
    assert {type(value) for row in rows for value in row.values()} <= {int, float, str, bool, type(None)}
    assert rows[0].keys() == rows[1].keys()
    assert {"image", "risk", "risk_low", "longest_mm", "mm_reason", "image_risk", "flags"} <= rows[0].keys()


def test_it_is_one_short_line_and_in_a_notebook_a_picture_and_a_table(tmp_path: Path, predictor: Predictor) -> None:
    name = "a <b>&.png"
    Image.fromarray(GRAY_HW).save(tmp_path / name)
    prediction = predictor.predict(tmp_path / name)
    for text in (repr(prediction), str(prediction)):
        assert text.startswith(f"<Prediction of {name} (300 x 200): 2 nodules, risk 0.")
        assert len(text) < 120
    page = prediction._repr_html_()
    assert "data:image/jpeg;base64," in page
    assert page.count("<tr>") == 3
    assert "a &lt;b&gt;&amp;.png" in page
    assert "<b>&.png" not in page
    assert len(page) < 60_000
    from_json = Prediction.model_validate_json(prediction.to_json())
    assert "<img" not in from_json._repr_html_()


def test_it_can_be_sent_to_another_process(prediction: Prediction) -> None:
    again = pickle.loads(pickle.dumps(prediction))
    assert again == prediction
    assert np.array_equal(np.asarray(again.overlay()), np.asarray(prediction.overlay()))
