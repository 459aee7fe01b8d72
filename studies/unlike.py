"""Share of images flagged as unlike the training frames, by kind: real frames of the held-out fold, and other pictures.

    python studies/unlike.py --cases ddti/cases.csv --cases busi/cases.csv --fold 0 --images OTHER_SCANNER/image

It fits on the other folds; the real frames are those of --fold. Two thresholds: the fitted one, and the one that flags
5 % of these real frames, to compare with other methods. Kinds that no installed package carries are named and left out;
--packages FOLDER looks in another environment's site-packages as well. Intervals: Wilson, 95 %. They take images as
independent, but quarters of one photograph and slices of one head are not.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from unlike_images import ASIDE, DISTORTIONS, KINDS, OTHER_ULTRASOUND, Images

NUM_DISTORTED = 100
NUM_PHANTOMS = 80


def wilson(count: int, n: int) -> tuple[float, float]:
    """Successes of n -> 95 % interval of the share (Wilson, J Am Stat Assoc 22:209, 1927)."""
    z, share = 1.96, count / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class Table:
    """One line per kind: n, share flagged at both thresholds, distances. Missed pictures go to a folder to look at."""

    def __init__(self, familiarity, threshold_at_5: float, pictures: Path | None) -> None:  # type: ignore[no-untyped-def]
        self.familiarity, self.threshold_at_5, self.pictures = familiarity, threshold_at_5, pictures
        self.distances: dict[str, np.ndarray] = {}

    def add(self, kind: str, images: Images, keep: str = "") -> None:
        """Measure and print one kind. keep: which pictures go to the folder, "missed" or "flagged"."""
        from thyrosight.frames.source import as_frame
        from thyrosight.inference.familiarity import distance

        found = []
        for name, pixels in images:
            found.append(distance(as_frame(pixels), self.familiarity))
            if self.pictures and keep == ("flagged" if found[-1] > self.familiarity.threshold else "missed"):
                self._write(f"{kind} {name} {found[-1]:.2f}", pixels)
        self.show(kind, found)

    def show(self, kind: str, found: Iterable[float]) -> None:
        """Print one line."""
        d = np.array(list(found))
        if not len(d):
            print(f"{kind:38} not at hand: its packages are not installed", flush=True)
            return
        self.distances[kind] = d
        count = int((d > self.familiarity.threshold).sum())
        low, high = wilson(count, len(d))
        at_5 = 100 * float(np.mean(d > self.threshold_at_5))
        print(
            f"{kind:38} {len(d):5d} {100 * count / len(d):6.1f} % ({100 * low:.1f} to {100 * high:.1f}) {at_5:6.1f} %"
            f"   distance {np.median(d):5.2f}, {d.min():.2f} to {d.max():.2f}",
            flush=True,
        )

    def total(self, title: str, kinds: Iterable[str]) -> None:
        """All images of these kinds together, and the kinds' mean share."""
        found = [self.distances[kind] for kind in kinds if kind in self.distances]
        if found:
            self.show(title, np.concatenate(found))
            by_kind = [np.mean(d > self.familiarity.threshold) for d in found]
            print(
                f"{'':38} mean of {len(found)} kinds {100 * np.mean(by_kind):.1f} %, worst {100 * min(by_kind):.1f} %"
            )

    def _write(self, name: str, pixels: np.ndarray) -> None:
        from PIL import Image

        assert self.pictures is not None
        safe = "".join(letter if letter.isalnum() or letter in " .-" else "_" for letter in name)
        Image.fromarray(pixels).save(self.pictures / f"{safe}.png")


def real_frames(cases, pictures: Path | None = None) -> Images:  # type: ignore[no-untyped-def]
    """Rows -> their images as they are."""
    from thyrosight.frames.load import load_frame

    for case in cases:
        frame = load_frame(case.image)
        yield f"{case.source} {case.case_id}", frame.image_HW if frame.rgb_HW3 is None else frame.rgb_HW3


def distorted(cases, change) -> Images:  # type: ignore[no-untyped-def]
    """Rows, a change -> the first view of each, changed and shown alone."""
    from thyrosight.frames.load import load_frame

    for case in cases:
        image_HW = load_frame(case.image).image_HW
        for panel in (case.panels or (case.fov,))[:1]:
            yield case.case_id, np.ascontiguousarray(change(np.ascontiguousarray(image_HW[panel.slices])))


def phantoms() -> Images:
    """The package's own synthetic ultrasound."""
    from thyrosight.phantom.cohort import phantom_case
    from thyrosight.phantom.records import PhantomSettings

    for index in range(NUM_PHANTOMS):
        yield str(index), phantom_case(index, 1, PhantomSettings()).image_HW


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=Path, action="append", required=True, help="cases.csv with folds; several")
    parser.add_argument("--fold", type=int, default=0, help="the fold that is measured and not fitted on")
    parser.add_argument("--images", type=Path, action="append", default=[], help="a folder of other real ultrasound")
    parser.add_argument("--every", type=int, default=5, help="take each n-th of those")
    parser.add_argument("--packages", type=Path, action="append", default=[], help="further site-packages to look in")
    parser.add_argument("--pictures", type=Path, help="folder for real frames that are flagged and others that are not")
    parser.add_argument("--bundle", type=Path, help="measure by this bundle's own record; fit nothing")
    parser.add_argument("--development", action="store_true", help="only the kinds that were looked at")
    return parser.parse_args()


def main() -> None:
    """Fit, measure, print."""
    from thyrosight.bundle.store import load_bundle
    from thyrosight.datasets.table import read_cases
    from thyrosight.frames.load import load_frame
    from thyrosight.frames.source import as_frame
    from thyrosight.inference.familiarity import conformal_quantile, distance, fit_familiarity

    arguments = parse()
    sys.path.extend(str(folder) for folder in arguments.packages)
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    tables = [read_cases(path) for path in arguments.cases]
    fit_rows = [case for cases in tables for case in cases if case.fold != arguments.fold and case.split != "test"]
    held_out = [[case for case in cases if case.fold == arguments.fold] for cases in tables]
    bundle = load_bundle(arguments.bundle) if arguments.bundle else None
    familiarity = bundle.info.familiarity if bundle else fit_familiarity(fit_rows)
    if familiarity is None:
        raise SystemExit("no record: too few rows to fit one, or the bundle has none")
    print(
        f"fitted on {familiarity.num_frames} frames, threshold {familiarity.threshold}, above it "
        f"{familiarity.flagged_held_out:.1%} of them, held out in turn"
    )
    real = [[distance(as_frame(pixels), familiarity) for _, pixels in real_frames(cases)] for cases in held_out]
    threshold_at_5 = conformal_quantile(np.concatenate(real), 0.05)
    print(f"threshold at which 5 % of the real frames of fold {arguments.fold} are flagged: {threshold_at_5:.3f}\n")
    print(f"{'kind':38} {'n':>5} flagged (95 % interval)  at 5 % of real frames")
    table = Table(familiarity, threshold_at_5, arguments.pictures)
    for cases, found in zip(held_out, real, strict=True):
        table.show(f"real: {cases[0].source}, fold {arguments.fold}", found)
    for folder in arguments.images:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))[:: arguments.every]
        table.add(f"real: {folder.parent.name}", ((path.stem, load_frame(path).image_HW) for path in paths), "flagged")
    table.add("phantoms", phantoms(), "flagged")
    kinds = dict(KINDS) if arguments.development else {**KINDS, **ASIDE}
    for kind, images in kinds.items():
        table.add(kind, images(), "missed")
    table.total("not ultrasound, looked at", KINDS)
    if not arguments.development:
        table.total("not ultrasound, kept aside", ASIDE)
        table.total("not ultrasound, all", kinds)
        for kind, images in OTHER_ULTRASOUND.items():
            table.add(kind, images())
    some = [case for cases in held_out for case in cases]
    some = some[:: max(1, len(some) // NUM_DISTORTED)]
    table.add("real, first view alone", distorted(some, lambda view_HW: view_HW))
    for name, change in DISTORTIONS.items():
        table.add(f"real, {name}", distorted(some, change))


if __name__ == "__main__":
    main()
