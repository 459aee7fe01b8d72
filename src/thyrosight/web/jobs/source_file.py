"""Stored file, the sender's name for it -> its frames, and errors under the sender's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from thyrosight.errors import InputError
from thyrosight.frames.dicom import with_spacing
from thyrosight.frames.load import FrameFile, open_frames
from thyrosight.types import Frame
from thyrosight.web.jobs.store import GivenSpacing


class SourceFile:
    """An open file: its number of frames, and each frame under the sender's name."""

    def __init__(self, path: Path, name: str, file: FrameFile, given: GivenSpacing | None = None) -> None:
        self._path, self._name, self._file, self._given = path, name, file, given
        self.num_frames: int = file.num_frames

    def frame(self, index: int) -> Frame:
        """Index, 0 to num_frames - 1 -> Frame. InputError for any other."""
        with _named(self._path, self._name):
            if not 0 <= index < self.num_frames:
                raise InputError(f"{self._path}: has {self.num_frames} frames, counted from 0; there is no {index}")
            frame = replace(self._file.frame(index), path=Path(self._name))
        if self._given is None:
            return frame
        return replace(with_spacing(frame, self._given.spacing), spacing_reason=self._given.reason)


@contextmanager
def open_source_file(path: Path, name: str, given: GivenSpacing | None = None) -> Iterator[SourceFile]:
    """Path, the sender's name for it -> the open file. InputError has the sender's name, not the path.

    given: the spacing of its frames; it replaces the one that the file states.

    Other errors within the block (a full disk) pass unchanged.
    """
    with ExitStack() as stack:
        with _named(path, name):
            file = stack.enter_context(open_frames(path))
        yield SourceFile(path, name, file, given)


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error
