"""A child of predict_archive that dies at every image named `deadly`."""

from __future__ import annotations

import os
import signal

from thyrosight.archive import predict_rows

_predict_rows = predict_rows.predict_rows


def predict_or_die(predictor, item, reading):  # type: ignore[no-untyped-def]
    if item.name.startswith("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return _predict_rows(predictor, item, reading)


if __name__ == "__main__":
    predict_rows.predict_rows = predict_or_die
    predict_rows.main()
