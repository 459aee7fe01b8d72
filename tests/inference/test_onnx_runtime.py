"""Where the network runs: the device that is named or an error, the first that works for auto, never another unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from command_line import error_line, runner
from scans import write_scans
from thyrosight.cli import app
from thyrosight.errors import ConfigError, InputError, MissingExtraError
from thyrosight.inference.predictor import Predictor
from thyrosight.results.predict_case import FolderOptions
from thyrosight.results.predict_folder import predict_folder
from tiny_bundle import make_tiny_bundle

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
Build = Callable[..., None]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    """(providers that are built in, those that start, what they add to each logit) -> an ONNX Runtime that has them."""
    real = onnxruntime.InferenceSession

    def have(built_in: list[str], starting: list[str], error: float = 0.0, fault: str = "") -> None:
        class Session:
            def __init__(self, data: bytes, options: Any, providers: list[str]) -> None:
                if fault and providers[0] != CPU:
                    raise RuntimeError(fault)
                self._providers = [name for name in providers if name in starting]
                self._session = real(data, options, providers=[CPU])

            def get_providers(self) -> list[str]:
                return self._providers

            def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
                mask, logit, malignancy = self._session.run(names, inputs)
                return [mask, logit + np.float32(error if self._providers[0] != CPU else 0), malignancy]

            def __getattr__(self, name: str) -> Any:
                return getattr(self._session, name)

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: built_in)
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)

    return have


def test_a_device_that_is_named_is_used(build: Build, bundle: Path) -> None:
    build([CUDA, CPU], [CUDA, CPU])
    assert Predictor.load(bundle, device="cuda").device == "cuda"
    assert Predictor.load(bundle, device="cpu").device == Predictor.load(bundle).device == "cpu"


@pytest.mark.parametrize("name", ["cuda", "openvino", "coreml", "directml"])
def test_a_device_that_is_not_installed_is_an_error_with_its_fix(build: Build, bundle: Path, name: str) -> None:
    build([CPU], [CPU])
    with pytest.raises(MissingExtraError, match=rf"--device {name}: .* has {CPU}, not .*; (run: pip|it is in)"):
        Predictor.load(bundle, device=name)


def test_a_device_that_does_not_start_is_an_error(build: Build, bundle: Path) -> None:
    build([CUDA, CPU], [CPU])  # as ONNX Runtime does without CUDA's libraries: it falls back and says nothing
    with pytest.raises(MissingExtraError, match=f"{CUDA} does not start; it needs NVIDIA's driver"):
        Predictor.load(bundle, device="cuda")
    build([CUDA, CPU], [CUDA, CPU], fault="no card\nfound")
    with pytest.raises(MissingExtraError, match=r"does not start \(no card found\)"):
        Predictor.load(bundle, device="cuda")
    assert Predictor.load(bundle, device="auto").device == "cpu"


def test_a_device_whose_results_are_others_is_refused(build: Build, bundle: Path) -> None:
    build([CUDA, CPU], [CUDA, CPU], error=1e-4)
    assert Predictor.load(bundle, device="auto").device == "cuda"
    for error in (0.1, float("nan")):
        build([CUDA, CPU], [CUDA, CPU], error=error)
        with pytest.raises(ConfigError, match="from the CPU's, more than"):
            Predictor.load(bundle, device="cuda")
        assert Predictor.load(bundle, device="auto").device == "cpu"


def test_auto_takes_the_first_that_works(build: Build, bundle: Path) -> None:
    build([CPU], [CPU])
    assert Predictor.load(bundle, device="auto").device == "cpu"
    build(["OpenVINOExecutionProvider", CUDA, CPU], ["OpenVINOExecutionProvider", CPU])
    assert Predictor.load(bundle, device="auto").device == "openvino"
    with pytest.raises(ConfigError, match="--device gpu: choose one of auto, cpu, cuda"):
        Predictor.load(bundle, device="gpu")


def test_results_say_their_device_and_are_not_mixed(build: Build, bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", "a.png")
    predict_folder(tmp_path / "in", tmp_path / "out", bundle=bundle)
    run_json = tmp_path / "out" / "run.json"
    run = json.loads(run_json.read_text())
    assert run["settings"].pop("device") == "cpu"
    run_json.write_text(json.dumps(run))  # as before there were devices
    predict_folder(tmp_path / "in", tmp_path / "out", bundle=bundle)
    build([CUDA, CPU], [CUDA, CPU])
    with pytest.raises(InputError, match="results of device cpu, not cuda"):
        predict_folder(tmp_path / "in", tmp_path / "out", bundle=bundle, options=FolderOptions(device="cuda"))
    predict_folder(tmp_path / "in", tmp_path / "cuda", bundle=bundle, options=FolderOptions(device="auto"))
    assert json.loads((tmp_path / "cuda" / "run.json").read_text())["settings"]["device"] == "cuda"


@pytest.mark.parametrize("more", [(), ("--output", "parquet"), ("--submission",)])
def test_the_command_fails_before_it_writes(more: tuple[str, ...], build: Build, bundle: Path, tmp_path: Path) -> None:
    build([CPU], [CPU])
    if "parquet" in more:
        pytest.importorskip("pyarrow", reason="the extra `archive` is not installed")
    write_scans(tmp_path / "in", "a.png")
    command = ["predict", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--bundle", str(bundle)]
    result = runner.invoke(app, [*command, "--device", "openvino", *more])
    assert result.exit_code == 2
    assert "pip install onnxruntime-openvino" in error_line(result.stderr)
    assert not (tmp_path / "out").exists()
