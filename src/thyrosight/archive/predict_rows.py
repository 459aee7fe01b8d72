"""One image -> its rows, or a row with the reason why it has none. predict_archive.py runs it as a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from thyrosight.archive.schema import Row, failed_rows, rows_of_case
from thyrosight.archive.sources import ListedImage, read_place
from thyrosight.children import Json, serve
from thyrosight.errors import ThyrosightError
from thyrosight.files import is_shortage
from thyrosight.inference.onnx_runtime import CPU
from thyrosight.inference.predict_file import ReadOptions, examine_bytes
from thyrosight.inference.predictor import Predictor
from thyrosight.types import Spacing


class RowSettings(NamedTuple):
    """The settings that all images of a run share: those of the model, and how files are read."""

    bundle: Path | None = None
    tta: bool = False
    prevalence: float | None = None
    reading: ReadOptions = ReadOptions()
    device: str = CPU

    def to_json(self) -> Json:
        frame, every, spacing = self.reading.frame_index, self.reading.every, self.reading.spacing
        reading = {"frame": frame, "every": every, "mm_per_pixel": list(spacing) if spacing else None}
        bundle = str(self.bundle) if self.bundle else None
        named = {"bundle": bundle, "tta": self.tta, "prevalence": self.prevalence, "device": self.device}
        return named | reading

    @classmethod
    def of_json(cls, content: Json) -> RowSettings:
        spacing = Spacing(*content["mm_per_pixel"]) if content["mm_per_pixel"] else None
        reading = ReadOptions(content["frame"], content["every"], spacing)
        bundle = Path(content["bundle"]) if content["bundle"] else None
        return cls(bundle, content["tta"], content["prevalence"], reading, content["device"])

    def predictor(self, threads: int | None) -> Predictor:
        """-> the model, loaded for this process."""
        return Predictor.load(
            self.bundle, threads=threads, tta=self.tta, prevalence=self.prevalence, device=self.device
        )

    def with_own_device(self) -> RowSettings:
        """-> the same settings with the device that `auto` finds here. Raises the errors of Predictor.load."""
        return self if self.device == CPU else self._replace(device=self.predictor(1).device)


def predict_rows(predictor: Predictor, item: ListedImage, reading: ReadOptions) -> Row:
    """One image -> {"image": row, "nodules": rows}; no fault of one file can stop the run.

    Where the system was short of open files or memory, the result also has {"is_shortage": True}: it must not be
    stored, because a second try may succeed.
    """
    fault: Exception
    try:
        result = examine_bytes(predictor, read_place(item.place), Path(item.name), reading)
        return rows_of_case(item.case_id, item.name, result)
    except ThyrosightError as error:
        message, fault = str(error), error
    except Exception as error:  # a fault of ours in one file must not cost the others
        message, fault = f"internal error ({type(error).__name__}: {error}); please report it", error
    failed = failed_rows(item.case_id, item.name, in_one_line(message, item))
    return failed | {"is_shortage": True} if is_shortage(fault) else failed


def in_one_line(message: str, item: ListedImage) -> str:
    """Text of an error -> the text on one line, in which the image's name replaces its path or address.

    So the line does not show the folders in which the user keeps the images.
    """
    for place in (item.place.get("address"), item.place.get("path")):
        message = message.replace(place, item.name) if place else message
    return " ".join(message.split())


def main() -> None:
    """The child process. Its network has one thread, because there is one child per core."""

    def load(content: Json) -> Any:
        settings = RowSettings.of_json(content)
        predictor = settings.predictor(threads=1)
        return lambda request: predict_rows(predictor, ListedImage(**request), settings.reading)

    serve(load)


if __name__ == "__main__":
    main()
