"""Thyroid ultrasound -> the nodule's outline, its measurements and a risk of malignancy.

The functions below are the whole interface. Each is imported when it is first asked for (PEP 562): `import thyrosight`
costs milliseconds, and only `train` loads torch.

    Predictor, Prediction         a model bundle -> predictions of single images; the result of one image
    predict_folder, FolderOptions images -> a folder of masks, overlays, results.csv and report.html; its options
    prepare, train                a labelled set -> cases.csv; cases.csv and a configuration -> a model bundle
    evaluate, compare             a Predictor and cases.csv -> scores with intervals; two models -> their difference
    PrepareOptions, RowChoice     how a set is prepared; which rows of cases.csv are evaluated
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thyrosight.datasets.prepare import PrepareOptions, prepare
    from thyrosight.datasets.table import RowChoice
    from thyrosight.environment import __version__
    from thyrosight.evaluation.compare import compare
    from thyrosight.evaluation.evaluate import evaluate
    from thyrosight.inference.predictor import Predictor
    from thyrosight.prediction.records import Prediction
    from thyrosight.results.predict_case import FolderOptions
    from thyrosight.results.predict_folder import predict_folder
    from thyrosight.training.train import train

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# onnxruntime reads this when it is imported, and else stores an identifier below the home folder and sends events.
# `disable_telemetry_events` comes too late. Every import of ours passes here first.

__all__ = [
    "FolderOptions",
    "Prediction",
    "Predictor",
    "PrepareOptions",
    "RowChoice",
    "__version__",
    "compare",
    "evaluate",
    "predict_folder",
    "prepare",
    "train",
]


def __getattr__(name: str) -> Any:
    """Name -> the object, imported on first use and kept."""
    value: Any
    if name == "Predictor":
        from thyrosight.inference.predictor import Predictor as value
    elif name == "Prediction":
        from thyrosight.prediction.records import Prediction as value
    elif name == "FolderOptions":
        from thyrosight.results.predict_case import FolderOptions as value
    elif name == "predict_folder":
        from thyrosight.results.predict_folder import predict_folder as value
    elif name == "prepare":
        from thyrosight.datasets.prepare import prepare as value
    elif name == "PrepareOptions":
        from thyrosight.datasets.prepare import PrepareOptions as value
    elif name == "RowChoice":
        from thyrosight.datasets.table import RowChoice as value
    elif name == "train":
        from thyrosight.training.train import train as value
    elif name == "evaluate":
        from thyrosight.evaluation.evaluate import evaluate as value
    elif name == "compare":
        from thyrosight.evaluation.compare import compare as value
    elif name == "__version__":
        from thyrosight.environment import __version__ as value
    else:
        raise AttributeError(f"module 'thyrosight' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
