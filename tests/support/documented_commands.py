"""A document -> its `thyrosight ...` lines in their order; a folder in which they run, with stand-ins for its names."""

from __future__ import annotations

import glob
import itertools
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

import dicom_files
from checkout import ROOT
from thyrosight.cli import app
from thyrosight.datasets.sets import BY_SOURCE
from thyrosight.datasets.table import read_cases, write_cases
from thyrosight.evaluation.case_scores import read_case_scores, write_case_scores
from thyrosight.examination.reading_log import LoggedReading, append_reading
from thyrosight.files import sha256_of
from thyrosight.phantom.cohort import write_phantoms
from thyrosight.phantom.records import PhantomSettings
from thyrosight.types import Case
from tiny_bundle import make_tiny_bundle

SMALLER = (*("optim.epochs=1", "optim.batch_size=4", "data.size_hw=[64, 64]", "run.threads=1", "run.preview_every=0"),)
"""The options that make a training line small: an epoch on small inputs."""
NOTHING_TO_CALIBRATE = "there is nothing to calibrate"
"""Allowed end of an epoch that began from ImageNet: its risks are noise, and the command says so."""
NUM_PHANTOMS = 10
SMALL_PHANTOMS = PhantomSettings(size_hw=(128, 160))
SEED_OF_SETS = 1000
UID = "1.2.826.0.1.1.1"
RUN_BARE = frozenset(("info", "serve"))
"""Commands that need no argument. The bare name of any other command in a sentence is a mention, not a line."""
CODE = re.compile(r"```.*?```|^(?: {4}|> )[^\n]*$|(?<!`)`[^`]+`(?!`)", re.DOTALL | re.MULTILINE)
ELLIPSIS = {
    "predict": ["image.png", "-o", "in_json"],
    "pool": ["runs/fold*/evaluation/per_case.csv", "-o", "pooled_to_export"],
    "stress": ["BUNDLE", "--cases", "cases/cases.csv", "-o", "stress_of_one"],
}
"""Replacement of `...` in a line."""


def lines_in(page: Path) -> list[list[str]]:
    """A document -> the words after `thyrosight` of each line in blocks and inline code, in the document's order."""
    found = []
    for code in CODE.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        is_inline = code.startswith("`") and not code.startswith("```")
        for line in [code.replace("\n", " ")] if is_inline else code.splitlines():
            for part in re.split(r"&&|\|", line):
                match = re.match(r"\W*(?:\.venv/bin/)?thyrosight ([a-z-]+\b[^#`]*)", part)
                words = shlex.split(match[1]) if match else []
                if words and not (len(words) == 1 and words[0] not in RUN_BARE):
                    found.append(words)
    return found


@dataclass
class Desk:
    """The folder in which the lines of one document run."""

    folder: Path
    phantoms: Path
    """cases.csv of the phantoms that replace every set."""
    cross_validation: Callable[[], Path]
    """-> a finished cross-validation of two folds, which replaces the runs that a document takes from elsewhere."""
    last_runs: Path | None = None
    made: list[str] = field(default_factory=list)

    def arguments(self, words: list[str]) -> list[str]:
        """The words of a line -> the same, small enough for a test, after everything that they name is there."""
        command = words[0]
        if "..." in words:
            at = words.index("...")
            words = [*words[:at], *ELLIPSIS[command], *words[at + 1 :]]
        places = {at + 1 for at, word in enumerate(words) if word in ("-o", "--out", "--export")}
        for at, word in enumerate(words[1:], start=1):
            if at not in places and not word.startswith("-"):
                self._provide(command, words[at - 1], word)
        words = [path for word in words for path in (sorted(glob.glob(word)) if "*" in word else [word])]
        words = [str(ROOT / word) if word.startswith("configs/") else word for word in words]
        return [*words, *_smaller(command, words)] if command != "phantom" else _few_phantoms(words)

    def label_as_predicted(self, runs: Path, table: Path) -> None:
        """Sets the table's labels to the networks' out-of-fold answers.

        After one epoch nothing else can be calibrated.
        """
        logit_of = {
            row.case_id: row.malignancy_logit or 0.0
            for path in runs.glob("fold*/evaluation/per_case.csv")
            for row in read_case_scores(path)
        }
        cases = read_cases(table)
        for fold in (0, 1):
            inside = sorted((case for case in cases if case.fold == fold), key=lambda case: logit_of[case.case_id])
            high = {case.case_id for case in inside[len(inside) // 2 :]}
            cases = [
                replace(case, malignancy=int(case.case_id in high)) if case.fold == fold else case for case in cases
            ]
        write_cases(cases, table)
        label_of = {case.case_id: case.malignancy for case in cases}
        for path in runs.glob("fold*/evaluation/per_case.csv"):
            scores = [replace(row, malignancy=label_of[row.case_id]) for row in read_case_scores(path)]
            write_case_scores(scores, path)

    def _provide(self, command: str, option: str, word: str) -> None:
        """Makes a replacement for the file that a word names, where there is none yet."""
        path = Path(word)
        if path.exists() or "*" in word:
            return
        if option == "--cases":
            write_cases(self._cases(word), _in_folder(path))
        elif path.suffix in (".png", ".jpg"):
            self._image(path, 0)
        elif path.suffix == ".dcm":
            _in_folder(path).write_bytes(_clip())
        elif word in ("folder/", "test/", "images/", "scans/"):
            for number in range(2):
                self._image(path / f"{number}.png", number)
        elif word in ("my_set", "FOLDER", "DDTI", "BUSI", "TG3K"):
            self._set(path)
        elif word in ("BUNDLE", "my.zip"):
            make_tiny_bundle(path)
        elif word == "MODELS":
            make_tiny_bundle(path / "tiny")
        elif path.name == "per_case.csv" and path.parent.name in ("a", "b"):
            self._provide("evaluate", "", "BUNDLE")
            self._provide("evaluate", "--cases", "cases/cases.csv")
            run(["evaluate", "BUNDLE", "--cases", "cases/cases.csv", "-o", str(path.parent)])
        elif word.startswith("results/") and (ROOT / word).is_file():
            shutil.copyfile(ROOT / word, _in_folder(path))
        elif word == "FILE":
            shutil.copyfile(ROOT / "results" / "ddti_lite2_5fold.csv", path)
        elif word == "RUN":
            self._provide("train", "--cases", "cases/cases.csv")
            questions = ["network.questions=['breast']", "data.question_of_source={own='breast'}"]
            words = ["train", "--recipe", "finetune", "--cases", "cases/cases.csv", "-o", "RUN", "--fold", "0"]
            run([*words, *_settings((*SMALLER, *questions))])
        elif command in ("ensemble", "evaluate", "stress", "pool-stress") and path.parts[0] in RUNS:
            top = Path(*path.parts[: 2 if path.parts[0] == "runs" else 1])
            if not top.exists():
                shutil.copytree(self.last_runs or self.cross_validation(), top)
        elif word == "nnunet_output":
            self._provide(command, "--cases", "cases/cases.csv")
            for case in read_cases(Path("cases/cases.csv")):
                assert case.mask is not None
                shutil.copyfile(case.mask, _in_folder(path / f"{case.case_id}.png"))
        elif path.name == "examination.json":
            shutil.copyfile(Path("report", path.name), _in_folder(path))
        elif word == "readings.jsonl":
            self._provide(command, "--cases", "cases.csv")
            self._readings(path, read_cases(Path("cases.csv")))
        elif word == "token":
            path.write_text("x" * 43)
            path.chmod(0o600)

    def _cases(self, table: str) -> list[Case]:
        """The phantoms under the name of the set that a table's path names, or of one that no bundle has seen.

        A published set has phantoms of its own: training refuses what its starting weights saw under another name.
        Each is there twice: a calibration across folds needs 20 images.
        """
        source = next((name for name in BY_SOURCE if name in Path(table).parts), "own")
        target = "gland" if source == "tg3k" else "nodule"
        phantoms = self.phantoms if source == "own" else self._phantoms_of(source)
        return [
            replace(
                case,
                case_id=f"{case.case_id}{copy}",
                image_sha256=sha256_of(case.image),
                source=source,
                target=target,
                group=f"{source}_{case.case_id}",
                fold=number // 2 % 2,
                malignancy=number % 2,
            )
            for number, case in enumerate(read_cases(phantoms))
            for copy in ("", "b")
        ]

    def _phantoms_of(self, source: str) -> Path:
        """-> cases.csv of phantoms that replace one published set alone."""
        seed = SEED_OF_SETS + sorted(BY_SOURCE).index(source)
        folder = self.phantoms.parent.parent / f"phantoms_{source}"
        table = folder / "cases.csv"
        return table if table.exists() else write_phantoms(NUM_PHANTOMS, folder, seed=seed, settings=SMALL_PHANTOMS)

    def _readings(self, log: Path, cases: list[Case]) -> None:
        """A log of two readers who rate each image without the network and after it."""
        for case, who, is_shown in itertools.product(cases, ("A", "B"), (False, True)):
            suspicion = 0.8 if case.malignancy and is_shown else 0.4
            reading = LoggedReading(
                reader=who,
                image_sha256=case.image_sha256 or sha256_of(case.image),
                width_px=160,
                height_px=128,
                network_shown=is_shown,
                when="2026-01-01T00:00:00Z",
                suspicion=suspicion,
            )
            append_reading(log, reading)

    def _image(self, path: Path, number: int) -> None:
        with Image.open(read_cases(self.phantoms)[number].image) as image:
            image.convert("L").save(_in_folder(path))

    def _set(self, folder: Path) -> None:
        """A user's own set or a public one: images and masks with a table that states the source."""
        lines = ["image,mask,malignancy,patient,source,target"]
        for case in self._cases(str(folder).lower()):
            assert case.mask is not None
            name = f"{case.case_id}.png"
            shutil.copyfile(case.image, _in_folder(folder / "images" / name))
            shutil.copyfile(case.mask, _in_folder(folder / "masks" / name))
            cells = [f"images/{name}", f"masks/{name}", str(case.malignancy), case.group]
            lines.append(",".join([*cells, case.source, case.target]))
        (folder / "table.csv").write_text("\n".join(lines) + "\n")


RUNS = ("RUNS", "runs", "runs_a", "runs_b")


def run(words: list[str]) -> None:
    """Words after `thyrosight` -> they ran with exit code 0; AssertionError with what they printed otherwise."""
    done = CliRunner().invoke(app, words)
    if "--across-folds" in words and NOTHING_TO_CALIBRATE in done.stderr:
        return
    assert done.exit_code == 0, f"thyrosight {' '.join(words)}: {done.stderr}\n{done.exception!r}"


def _smaller(command: str, words: list[str]) -> list[str]:
    """-> the options that make a command small."""
    if command in ("train", "cross-validate"):
        return _settings(SMALLER)
    if command == "prepare" and "--folds" not in words:
        return ["--folds", "2"]
    if command == "learn":
        return ["--folds", "2", *_settings(SMALLER)]
    if command == "stress" and "--strengths" not in words:
        return ["--strengths", "1"]
    return []


def _settings(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def _few_phantoms(words: list[str]) -> list[str]:
    at = words.index("-n") + 1
    return [*words[:at], str(NUM_PHANTOMS), *words[at + 1 :], *([] if "-o" in words else ["-o", "phantoms"])]


def _in_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _clip() -> bytes:
    import numpy as np

    frames = np.stack([np.tile(dicom_files.gray_picture(seed=number), (2, 2)) for number in range(2)])
    return dicom_files.native(frames, SOPClassUID=dicom_files.US_MULTI, NumberOfFrames=2)


def documents() -> Iterator[Path]:
    """-> the documents whose lines are tested: the commands that users and contributors type."""
    yield ROOT / "README.md"
    yield ROOT / "CONTRIBUTING.md"
    yield from sorted((ROOT / "docs").glob("*.md"))
