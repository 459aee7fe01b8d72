"""Scans in files, a tiny bundle, and runs into tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny_bundle import make_tiny_bundle

pytest.importorskip("pyarrow", reason="the extra `archive` is not installed")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture
def predict(bundle: Path) -> Callable[..., Any]:
    """(sources, out, **options) -> ArchiveSummary; shards of four images."""
    from thyrosight.archive.predict_archive import ArchiveOptions, predict_archive
    from thyrosight.archive.predict_rows import RowSettings

    def run(sources: list[Any], out: Any, **options: Any) -> Any:
        settings = ArchiveOptions(RowSettings(bundle), **({"shard_rows": 4, "threads": 1} | options))
        return predict_archive([str(source) for source in sources], str(out), settings)

    return run
