"""The harnesses of fuzz.py on random mutants with fixed seeds, and on all that fuzzing has ever found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("fastapi")
sys.path.append(str(Path(__file__).parent))

import fuzz

NUM_MUTANTS = 5_000 if os.environ.get("THYROSIGHT_FAULTS") == "all" else 40
SECONDS = 40.0
"""Of each harness at most."""


@pytest.mark.parametrize("name", fuzz.HARNESSES)
def test_a_sound_input_is_read(name: str) -> None:
    for make in fuzz.HARNESSES[name][1]:
        assert fuzz.tried(fuzz.HARNESSES[name][0], make()), "a harness that reads nothing finds nothing"


@pytest.mark.parametrize("name", fuzz.HARNESSES)
def test_what_was_found_is_found_no_more(name: str) -> None:
    for data in fuzz.seeds(name):
        fuzz.tried(fuzz.HARNESSES[name][0], data)


@pytest.mark.parametrize("name", fuzz.HARNESSES)
def test_mutants_are_read_or_refused_in_one_line(name: str) -> None:
    assert fuzz.mutants(name, NUM_MUTANTS, 20261128, SECONDS)["tried"] > 0


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in fuzz.CORPUS.rglob("*") if path.is_file()) < 200_000
