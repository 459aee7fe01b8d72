"""Thyroid ultrasound -> the nodule's outline, its measurements and a risk of malignancy.

`from thyrosight import Predictor` is the whole interface for prediction. It is imported when it is first asked for:
`import thyrosight` costs milliseconds and never loads a deep-learning framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thyrosight.inference.predictor import Predictor

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """The name asked for -> the object, imported on first use (PEP 562) and kept."""
    value: Any
    if name == "Predictor":
        from thyrosight.inference.predictor import Predictor

        value = Predictor
    elif name == "__version__":
        from thyrosight.environment import __version__

        value = __version__
    else:
        raise AttributeError(f"module 'thyrosight' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
