"""What an archive will cost, from a sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from scans import write_scans
from thyrosight.archive.plan import SIZES, plan_archive
from thyrosight.archive.predict_rows import RowSettings
from thyrosight.errors import InputError


def test_costs_follow_from_the_sample(bundle: Path, tmp_path: Path) -> None:
    write_scans(tmp_path / "in", *(f"{index}.png" for index in range(9)))
    plan = plan_archive([str(tmp_path / "in")], RowSettings(bundle), num_nodes=4, num_sampled=3)
    assert (plan.num_found, plan.num_sampled, plan.num_failed) == (9, 3, 0)
    assert [cost.num_images for cost in plan.costs] == [9, *SIZES]
    million = plan.costs[1]
    assert million.core_hours == pytest.approx(plan.core_ms * 1e6 / 3.6e6)
    assert million.hours == pytest.approx(million.core_hours / (4 * plan.num_cores))
    assert million.output_gib == pytest.approx(plan.row_bytes * 1e6 / 2**30)


def test_a_sample_without_a_result_is_one_line(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"none of 1 sampled .* bad.png: "):
        plan_archive([str(tmp_path)], RowSettings(bundle))
