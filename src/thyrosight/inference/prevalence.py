"""Risk at one share of malignant nodules -> the risk at another share, and the likelihood ratio, which needs no share.

The network's risk holds for the share of malignant nodules among the images that it was calibrated on. Where another
population has another share, but its benign and malignant nodules look the same, Bayes' rule converts the risk
(Saerens, Latinne & Decaestecker, Neural Computation 14, 2002): the odds are multiplied by the ratio of the new prior
odds to the old ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

from thyrosight.bundle.records import BundleInfo
from thyrosight.errors import ConfigError
from thyrosight.prediction import RiskShare


def odds(probability: float) -> float:
    """Probability, 0 to 1 -> probability / (1 - probability); infinite at 1."""
    return math.inf if probability >= 1.0 else probability / (1.0 - probability)


def likelihood_ratio(risk: float, share: float) -> float:
    """Risk, share of malignant nodules that it assumes -> likelihood ratio.

    It states how many times likelier such a picture is for a malignant nodule than for a benign one. It does not depend
    on the share. 1 carries no information; above 10 or below 0.1 the evidence is strong (Jaeschke et al., JAMA 1994).
    """
    return odds(risk) / odds(checked_share(share))


def at_share(risk: float, share: float, wanted: float) -> float:
    """Risk, the share that it assumes, another share -> the risk at that other share; 0 stays 0 and 1 stays 1."""
    checked_share(share)
    checked_share(wanted)
    malignant, benign = risk * wanted / share, (1.0 - risk) * (1.0 - wanted) / (1.0 - share)
    return malignant / (malignant + benign)


def checked_share(share: float) -> float:
    """A share of malignant nodules -> the same; ConfigError unless it is above 0 and below 1."""
    if not 0.0 < share < 1.0:
        raise ConfigError(f"prevalence {share:g}: give the share of malignant nodules between 0 and 1, such as 0.10")
    return share


def share_in_words(share: float | None, restated_from: float | None = None) -> str:
    """The share that a risk assumes, the share at which it was calibrated -> the sentence next to the risk."""
    if share is None:
        return "The share of malignant nodules that this risk assumes is not known."
    if restated_from is None or restated_from == share:
        return f"This risk assumes that {100 * share:.3g} % of the nodules are malignant."
    return (
        f"This risk assumes that {100 * share:.3g} % of the nodules are malignant; "
        f"it was restated from the {100 * restated_from:.3g} % at which the model was calibrated."
    )


@dataclass(frozen=True)
class ShareOfMalignant:
    """Two shares of malignant nodules: the calibration's (None: unknown), and the user's wish (None: no wish)."""

    calibrated_at: float | None
    asked_for: float | None

    @classmethod
    def of(cls, info: BundleInfo, prevalence: float | None) -> ShareOfMalignant:
        """A bundle's info, the share that the user wants -> both shares.

        ConfigError where the user wants a share and the bundle's own share is not known.
        """
        own = info.calibration.prevalence
        if prevalence is not None and own is None and info.has_malignancy:
            raise ConfigError(
                f"{info.name} does not say at which share of malignant nodules it was calibrated, so its risk can't be "
                "restated; leave --prevalence out, or calibrate the bundle again"
            )
        return cls(own, None if prevalence is None else checked_share(prevalence))

    @overload
    def restated(self, risk: float) -> float: ...

    @overload
    def restated(self, risk: None) -> None: ...

    @overload
    def restated(self, risk: float | None) -> float | None: ...

    def restated(self, risk: float | None) -> float | None:
        """A calibrated risk (or None) -> the risk at the share that the user wants, to six digits."""
        if risk is None or self.calibrated_at is None or self.asked_for is None:
            return risk
        return round(at_share(risk, self.calibrated_at, self.asked_for), 6)

    def restated_interval(self, interval: tuple[float, float] | None) -> tuple[float, float] | None:
        """An interval of a calibrated risk (or None) -> the interval at the share that the user wants."""
        return None if interval is None else (self.restated(interval[0]), self.restated(interval[1]))

    def of_result(self, calibrated: float | None) -> RiskShare | None:
        """The calibrated risk of an image -> the share that the risks of its result assume, or None."""
        own = self.calibrated_at
        if own is None or calibrated is None:
            return None
        ratio = likelihood_ratio(calibrated, own)
        assumed = own if self.asked_for is None else self.asked_for
        return RiskShare(
            assumed=assumed,
            calibrated_at=own,
            risk_when_calibrated=calibrated,
            likelihood_ratio=round(ratio, 6) if math.isfinite(ratio) else None,
            sentence=share_in_words(assumed, own),
        )
