"""The model card says what the bundle says, and names what it does not."""

from __future__ import annotations

from typing import Any

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo

FULL: dict[str, Any] = {
    "name": "thyrosight-1",
    "network": "unet",
    "network_settings": {},
    "parameters": 4_567_890,
    "preprocessing": {"size_hw": (256, 320), "crop": "field", "views": "panels"},
    "has_mask": True,
    "has_malignancy": True,
    "has_malignancy_map": False,
    "mask_threshold": 0.45,
    "min_area_fraction": 0.002,
    "calibration": {"scale": 1.2, "offset": -0.3, "n": 347, "fitted_on": "out-of-fold predictions"},
    "risk_meaning": "Probability of a high TI-RADS reading (4b, 4c, 5), not of cancer.",
    "operating_points": (
        {
            "name": "sensitive",
            "threshold": 0.31,
            "meaning": "90 % sensitivity",
            "sensitivity": {"value": 0.912, "low": 0.85, "high": 0.95, "n": 143},
        },
    ),
    "training_sets": ({"source": "ddti", "num_images": 288, "sha256": "ab" * 32, "split": "folds 1|4"},),
    "scores": (
        {"name": "Dice", "value": 0.7512, "low": 0.7, "high": 0.8, "n": 68, "split": "DDTI fold 0"},
        {"name": "AUROC", "value": 0.7, "low": None, "high": None, "n": 61, "split": "DDTI fold 0"},
    ),
    "versions": {"torch": "2.13.0", "onnx": "1.23"},
    "git_revision": "abc123",
    "created": "2020-01-01",
    "seed": 0,
    "notes": "Trained\non two cores.",
}


def card(**changes: Any) -> str:
    return model_card(BundleInfo.model_validate(FULL | changes))


def test_full_card() -> None:
    text = card()
    assert text.startswith("# thyrosight-1\n\n## What it is\n")
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    for line in (
        "- Network: `unet`, 4,567,890 parameters",
        "- Does not give: a malignancy map, which gives each nodule a risk of its own",
        "- Input: gray, 256 x 320 pixels, aspect ratio kept; cropped to the ultrasound field; "
        "each view of a split screen by itself",
        "- Mask threshold: 0.45, on the mask probability",
        "- Smallest nodule: 0.20% of a view's area",
        "Probability of a high TI-RADS reading (4b, 4c, 5), not of cancer.",
        "Calibrated on 347 cases (out-of-fold predictions): risk = sigmoid(1.2 x logit -0.3).",
        "| sensitive | 0.310 | 0.912 (n 143, 0.850 to 0.950) | not measured | 90 % sensitivity |",
        "| ddti | 288 | folds 1\\|4 | not recorded | not recorded | not recorded | not recorded | `abababababab` |",
        "| Dice | 0.751 | 0.700 to 0.800 | 68 | DDTI fold 0 |",
        "| AUROC | 0.700 | not computed | 61 | DDTI fold 0 |",
        "- Versions: onnx 1.23, torch 2.13.0",
        "- Seed: 0",
    ):
        assert line in text.splitlines(), line
    assert "**Not a medical device.**" in text


def test_what_is_missing_is_named() -> None:
    text = card(
        calibration={}, scores=(), training_sets=(), seed=None, git_revision="", versions={}, risk_meaning="", notes=""
    )
    assert "Not calibrated: read the risk as a rank, not as a probability." in text
    assert "None are recorded: this model has not been validated." in text
    assert "The training sets are not stated." in text
    assert "The meaning of the risk is not stated." in text
    assert "- Seed: not stated" in text
    assert "- Code revision: not stated" in text
    assert "## Notes" not in text


def test_a_network_without_risk_claims_none() -> None:
    text = card(has_malignancy=False, calibration={})
    assert "This model gives no risk." in text
    assert "Calibrated" not in text
    assert "| sensitive" not in text


def test_names_can_not_break_a_table() -> None:
    text = card(training_sets=({"source": "a\n| b |", "num_images": 1, "sha256": "", "split": ""},))
    row = "| a \\| b \\| | 1 | not stated | not recorded | not recorded | not recorded | not recorded |  |"
    assert row in text.splitlines()


ASKED = (
    "What it is",
    "Intended use",
    "What the risk means",
    "What it learned from",
    "Partitions",
    "How images are prepared",
    "How it was trained",
    "Scores",
    "Subgroups",
    "Calibration",
    "Robustness",
    "How it fails",
    "Limits",
    "Ethical considerations",
    "Availability and origin",
)


def test_trainings_in_between_are_counted() -> None:
    """Once each named the next, so that the column said one name four times."""
    for split, said in (
        ("all rows", "all rows"),
        ("before, by a: all rows", "before, by a: all rows"),
        ("before, by c: before, by b: before, by a: all rows", "3 trainings before, by a: all rows"),
    ):
        text = card(training_sets=({"source": "ddti", "num_images": 1, "sha256": "", "split": split},))
        assert f"| ddti | 1 | {said} |" in text


def test_the_sections_that_a_reviewer_asks_for_are_there_in_order() -> None:
    titles = [line.removeprefix("## ") for line in card(notes="").splitlines() if line.startswith("## ")]
    assert titles == list(ASKED)


def test_an_unknown_origin_is_called_unknown_and_a_known_one_is_told() -> None:
    lines = card().splitlines()
    for title in (
        "Published as",
        "Collected",
        "Devices",
        "Reference outlines by",
        "Reference labels by",
        "Eligibility",
    ):
        assert f"- {title}: unknown" in lines
    assert "- Left out when it was prepared: not recorded" in lines
    known = {
        "source": "ddti",
        "num_images": 288,
        "sha256": "",
        "split": "all",
        "num_groups": 240,
        "num_outlined": 280,
        "num_labelled": 210,
        "num_high": 115,
        "label_meaning": "TI-RADS reading",
        "left_out": {"unreadable": 3},
        "origin": {"citation": "Pedraza 2015", "devices": "two scanners"},
    }
    lines = card(training_sets=(known,)).splitlines()
    assert "| ddti | 288 | all | 240 | 280 | 210 | 115 |  |" in lines
    assert "- Devices: two scanners" in lines
    assert "- Collected: unknown" in lines
    assert "- The label means: TI-RADS reading" in lines
    assert "- Left out when it was prepared: 3 unreadable" in lines


def test_recipe_compute_and_selection_come_from_the_bundle() -> None:
    bare = card()
    assert "The recipe is not recorded." in bare
    assert "Compute: not recorded." in bare
    assert "How many images were kept for validation is not recorded." in bare
    told = card(
        recipe={
            "run": {"keep": "last", "early_stopping_epochs": 0},
            "optim": {"lr": 0.0004, "ema_decay": 0.99},
            "loss": {"mask_weight": 1.0},
            "data": {"repeat": {"busi": 0.4}, "size_steps": []},
        },
        compute={"hours": "0.55", "epochs": "44", "processor": "a fast one, 2 threads"},
        num_validation_images=0,
    )
    for line in (
        "- Final weights: the last epoch's: no epoch was chosen",
        "- Early stopping: none",
        "- Average of the weights: exponential, decay 0.99",
        "- Optimiser: `lr` 0.0004, `ema_decay` 0.99",
        "- Data: `repeat` busi 0.4, `size_steps` none",
        "Compute: 0.55 hours, 44 epochs, on a fast one, 2 threads.",
    ):
        assert line in told.splitlines(), line
    assert "No image was kept for validation" in told


def test_whose_scores_they_are_is_said_first() -> None:
    text = card(
        scores_meaning="scores of 5 models by the same recipe",
        subgroups=({"by": "views", "name": "one view", "num_images": 9, "scores": FULL["scores"][:1]},),
        failures=({"name": "nothing outlined", "number": 3, "of": 12},),
        robustness=FULL["scores"][1:],
    )
    assert "## Scores\n\nScores of 5 models by the same recipe. Intervals" in text
    assert "| views | one view | 9 | Dice | 0.751 | 0.700 to 0.800 | 68 |" in text.splitlines()
    assert "| nothing outlined | 3 of 12 | 25.0% |" in text.splitlines()
    assert "- The scores are of other networks: this one has seen every case that they are measured on." in text
    assert card().count("Not recorded") == 2, "neither robustness nor failures"
