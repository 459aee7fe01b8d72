"""What a fresh Python has loaded after the import, the help or the front door of the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from checkout import SOURCE

HEAVY = {"torch", "lightning", "pytorch_lightning", "matplotlib", "tensorflow", "scipy", "tensorboard", "torchmetrics"}

NAMES = (
    *("FolderOptions", "Prediction", "Predictor", "PrepareOptions", "RowChoice"),
    *("compare", "evaluate", "predict_folder", "prepare", "train"),
)
"""What the package offers to Python."""


def run_and_list_modules(code: str) -> set[str]:
    """Code for a fresh Python -> the top-level modules that are loaded at its end."""
    report = "\nimport json, sys\nprint('MODULES ' + json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.rpartition("MODULES ")[2]))


def test_import_thyrosight_loads_nothing_heavy() -> None:
    loaded = run_and_list_modules("import thyrosight; assert thyrosight.__version__")
    assert not loaded & (HEAVY | {"numpy", "cv2", "onnxruntime", "pydantic", "typer", "PIL", "rich"})


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['thyrosight', '--help']\nfrom thyrosight.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code"
    )
    loaded = run_and_list_modules(code)
    assert not loaded & (HEAVY | {"numpy", "cv2", "onnxruntime", "pydantic", "PIL"})


def test_predictor_comes_from_the_front_door() -> None:
    loaded = run_and_list_modules("from thyrosight import Predictor; assert Predictor.__name__ == 'Predictor'")
    assert not loaded & HEAVY


def test_unknown_name_of_the_package_is_told_what_there_is() -> None:
    import thyrosight

    with pytest.raises(
        AttributeError, match="it has FolderOptions, Prediction, Predictor, PrepareOptions, RowChoice, __version__"
    ):
        thyrosight.Predicter  # noqa: B018
    assert dir(thyrosight) == thyrosight.__all__ == sorted([*NAMES, "__version__"])


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_package_is_what_it_says(name: str) -> None:
    if name == "train":
        pytest.importorskip("lightning", reason="the training extra is not installed")
    code = f"from thyrosight import {name}; assert callable({name}) and {name}.__name__ == {name!r}"
    assert not run_and_list_modules(code) & (HEAVY if name != "train" else set())
