"""Two finished runs of one network, the second begun from the first -> a run whose weights lie between theirs.

    python studies/average_weights.py second/fold0 third/fold0 -o between/fold0 --share 0.5
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
from pathlib import Path

import torch

TAKEN_OVER = ("config.json", "rows.json", "metrics.csv", "set_audit.json", "start_images.bin")


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
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the second run's weights")
    parser.add_argument("--about", help="what the bundle says of its training; the second run's own words without it")
    arguments = parser.parse_args()
    first, second = (
        torch.load(run / "best.ckpt", map_location="cpu", weights_only=True)
        for run in (arguments.first, arguments.second)
    )
    second["state_dict"] = averaged(first["state_dict"], second["state_dict"], arguments.share)
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
