"""A program as a user writes it, with every public name: `mypy --strict` reads it, and nothing runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from thyrosight import (
    FolderOptions,
    Prediction,
    Predictor,
    PrepareOptions,
    RowChoice,
    __version__,
    compare,
    evaluate,
    predict_folder,
    prepare,
    train,
)


def outline(path: str) -> NDArray[np.bool_]:
    """A path, an array, a Pillow image -> the mask of the nodules."""
    predictor: Predictor = Predictor.load("shipped", threads=1)
    prediction: Prediction = predictor.predict(path)
    deep = np.zeros((64, 64), np.uint16)
    predictor.predict(deep, value_range=(0, 4095))
    predictor.predict(Image.new("L", (64, 64)), frame_index=0)
    prediction.overlay().save("overlay.png")
    rows: list[dict[str, object]] = prediction.table()
    risk: float | None = prediction.risk
    print(__version__, len(rows), risk, prediction.nodules[0].size.longest_mm, prediction.to_json())
    return prediction.mask


def own_network(folder: str) -> float | None:
    """A folder of a labelled set -> the Dice of a network that learned from it."""
    summary = prepare(folder, "cases", PrepareOptions(folds=2))
    bundle: Path = train("recipe.toml", summary.cases_csv, "run", fold=0)
    evaluation = evaluate(bundle, "cases", "evaluation", RowChoice(fold=0))
    evaluate("shipped", "cases/cases.csv", "shipped", RowChoice(split="test"))
    comparison = compare("evaluation/per_case.csv", Path("shipped/per_case.csv"), out="comparison.json")
    run = predict_folder([folder, Path("more")], "results", bundle=bundle, options=FolderOptions(overwrite=True))
    print(run.num_failed, evaluation.cases[0].dice, comparison.num_cases)
    return comparison.scores[0].first
