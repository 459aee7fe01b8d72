"""A finished run and what it began from (a run, a bundle, "shipped") -> a run whose weights lie between theirs.

    python studies/average_weights.py second/fold0 third/fold0 -o between/fold0 --share 0.5
    python studies/average_weights.py shipped fourth/all -o between/all
    thyrosight export between/fold0 -o between/fold0/bundle

Weights on the line between a network and its fine-tuned successor keep some of both (Wortsman et al., Robust
fine-tuning of zero-shot models, CVPR 2022). Rows, settings and record are those of the second run; `export` chooses the
mask rule and fits the calibration anew, on the validation rows. Put OUT as deep as the second run: its paths are
relative.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from thyrosight.bundle.store import SHIPPED, load_bundle
from thyrosight.networks.from_bundle import network_from_bundle

TAKEN_OVER = ("config.json", "rows.json", "metrics.csv", "set_audit.json", "start_images.bin")


def checkpoint(run: Path) -> dict[str, Any]:
    """Run folder -> its best checkpoint."""
    found: dict[str, Any] = torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)
    return found


def weights(start: str, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """A run folder, a bundle or "shipped", names of a checkpoint's weights -> its weights by these names.

    A bundle has one set of weights. It stands for a checkpoint's network and for its moving average.
    """
    if start == SHIPPED or (Path(start) / "bundle.json").exists():
        state = network_from_bundle(load_bundle(start)).state_dict()
        return {name: state[name.partition(".")[2]] for name in names}
    found: dict[str, torch.Tensor] = checkpoint(Path(start))["state_dict"]
    return found


def averaged(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Two sets of weights of one network, the share of the second, 0 to 1 -> their weighted mean.

    Whole numbers (counts of batches) are those of the second.
    """
    if first.keys() != second.keys():
        raise SystemExit("the two runs are not of one network: their weights have other names")
    return {
        name: torch.lerp(first[name].double(), value.double(), share).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in second.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("first", help="a run folder, a bundle, or " + SHIPPED)
    parser.add_argument("second", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the second run's weights")
    parser.add_argument("--about", help="what the bundle says of its training; the second run's own words without it")
    arguments = parser.parse_args()
    second = checkpoint(arguments.second)
    learned = second["state_dict"]
    second["state_dict"] = averaged(weights(arguments.first, learned), learned, arguments.share)
    arguments.out.mkdir(parents=True)
    for name in TAKEN_OVER:
        if (arguments.second / name).exists():
            shutil.copy(arguments.second / name, arguments.out / name)
    if arguments.about:
        record = arguments.out / "config.json"
        run = json.loads(record.read_text(encoding="utf-8"))
        run["config"]["about"] = arguments.about
        record.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    torch.save(second, arguments.out / "best.ckpt")
    shutil.copy(arguments.out / "best.ckpt", arguments.out / "last.ckpt")


if __name__ == "__main__":
    main()
