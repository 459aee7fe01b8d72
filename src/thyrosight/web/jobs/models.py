"""Bundles that a server may use -> the chosen model for new images, and models of earlier results when needed.

A client names a model by its id, never by a path, so only bundles that the server was started with can be loaded.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from thyrosight.bundle.bundle_files import INFO_NAME
from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.store import bundle_id, load_bundle
from thyrosight.errors import BundleError, InputError, ThyrosightError
from thyrosight.files import raise_disk_fault, write_atomic
from thyrosight.inference.predictor import Predictor
from thyrosight.prediction import ModelIdentity

CHOICE_NAME = "model.json"
"""File in the data folder that holds the model that was chosen last, for the next start."""
MAX_LOADED = 3
"""At most this many networks stay in memory, with the chosen one."""
LEARNED_NAME = "bundle"
"""Name of the bundle's folder in a folder that `learn` wrote."""

Loader = Callable[[Path], Predictor]


@dataclass(frozen=True)
class KnownModel:
    """A bundle that this server may use. fault: why it can't be loaded, in words; then info is None."""

    path: Path
    info: BundleInfo | None
    fault: str | None = None

    @property
    def id(self) -> str | None:
        return None if self.info is None else bundle_id(self.info)


def bundles_in(source: Path) -> list[Path]:
    """A bundle, or a folder of bundles, zipped bundles and folders that `learn` wrote -> the paths of the bundles."""
    if source.is_file() or (source / INFO_NAME).is_file():
        return [source]
    try:
        children = sorted(source.iterdir())
    except OSError as error:
        raise InputError(f"{source}: can't be read ({error.strerror}); give a bundle or a folder of bundles") from error
    found = []
    for child in children:
        if child.suffix == ".zip" and child.is_file():
            found.append(child)
        found += [folder for folder in (child, child / LEARNED_NAME) if (folder / INFO_NAME).is_file()]
    return found


def chosen_before(data: Path) -> str | None:
    """Data folder -> id of the model that was chosen last in it; None where nobody has chosen one.

    OSError where a disk fault hides the file (raise_disk_fault), because a choice may then exist.
    """
    try:
        found = json.loads((data / CHOICE_NAME).read_bytes())["id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise_disk_fault(error, data / CHOICE_NAME)
        return None
    return found if isinstance(found, str) else None


class ServedModels:
    """The models of one server. Several threads may use it. first: the model that is chosen at the start.

    sources: bundles and folders of bundles. A folder is read anew for each request, so that it includes models that
    were learned meanwhile.
    """

    def __init__(self, first: Predictor, sources: Sequence[Path] = (), load: Loader = Predictor.load) -> None:
        self._first_path, self._sources, self._load = first.bundle_path, tuple(sources), load
        self._chosen = first
        self._loaded = OrderedDict({first.model.id: first})
        self._read: dict[tuple[Path, int, int], KnownModel] = {}
        self._lock = threading.RLock()

    @property
    def chosen(self) -> Predictor:
        """The model for new images."""
        with self._lock:
            return self._chosen

    def known(self) -> list[KnownModel]:
        """-> every bundle once; the one that was chosen at the start comes first."""
        with self._lock:
            found: dict[object, KnownModel] = {}
            for path in dict.fromkeys(self._paths()):
                model = self._described(path)
                found.setdefault(model.id or path, model)
            return list(found.values())

    def choose(self, model_id: str, data: Path) -> Predictor | None:
        """Id -> the model, which from now on predicts new images, also after a restart; None for an unknown id.

        BundleError where the bundle can't be used, InputError where the choice can't be written to the data folder.
        """
        with self._lock:
            found = self.of(model_id)
            if found is not None:
                write_atomic(data / CHOICE_NAME, json.dumps({"id": found.model.id, "name": found.model.name}) + "\n")
                self._chosen = found
            return found

    def choose_again(self, data: Path) -> str | None:
        """At the start: chooses the model that was chosen last in this data folder -> a line for people if it can't."""
        wanted = chosen_before(data)
        if wanted is None:
            return None
        try:
            with self._lock:
                found = self.of(wanted)
                if found is not None:
                    self._chosen = found
                    return None
            reason = "no bundle of this server is it; name it by --models"
        except ThyrosightError as error:
            reason = " ".join(str(error).split())
        return f"the model {wanted} that was chosen last is not used ({reason}); {self.chosen.model.name} is"

    def of(self, model_id: str) -> Predictor | None:
        """Id -> the model, which is loaded if necessary; None for an unknown id.

        BundleError where it can't be loaded.
        """
        with self._lock:
            if model_id not in self._loaded:
                model = next((one for one in self.known() if one.id == model_id), None)
                if model is None:
                    return None
                loaded = self._load(model.path)
                if loaded.model.id != model_id:
                    raise BundleError(f"{model.path}: was replaced by another model a moment ago; ask again")
                self._loaded[model_id] = loaded
            self._loaded.move_to_end(model_id)
            for other in [one for one in self._loaded if one not in (model_id, self._chosen.model.id)]:
                if len(self._loaded) > MAX_LOADED:
                    del self._loaded[other]
            return self._loaded[model_id]

    def needed(self, model: ModelIdentity, name: str) -> Predictor:
        """The identity of a result's model, the image's name -> this model, loaded.

        InputError where this server lacks it.
        """
        found = self.of(model.id)
        if found is None:
            raise InputError(
                f"{name}: its result is by the model {model.name} ({model.id}), which this server does not have; "
                "predict it again, or start the server with that bundle (--models)"
            )
        return found

    def _paths(self) -> Iterator[Path]:
        yield self._first_path
        for source in self._sources:
            try:
                yield from bundles_in(source)
            except InputError:
                continue  # the folder was there at the start

    def _described(self, path: Path) -> KnownModel:
        info_path = path / INFO_NAME if path.is_dir() else path
        try:
            status = info_path.stat()
            key = (path, status.st_mtime_ns, status.st_size)
            if key not in self._read:
                self._read[key] = KnownModel(path, load_bundle(path).info)
            return self._read[key]
        except ThyrosightError as error:
            self._read[key] = KnownModel(path, None, " ".join(str(error).split()))
            return self._read[key]
        except OSError as error:
            return KnownModel(path, None, f"{path}: can't be read ({error.strerror})")
