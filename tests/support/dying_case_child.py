"""A child of predict_folder that dies at every image named `deadly`, as by a crash in a decoder or an allocator."""

from __future__ import annotations

import os
import signal

from thyrosight.results import predict_case

_predict_case = predict_case.predict_case


def predict_or_die(predictor, task, out, options, **more):  # type: ignore[no-untyped-def]
    if task.path.stem == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return _predict_case(predictor, task, out, options, **more)


if __name__ == "__main__":
    predict_case.predict_case = predict_or_die
    predict_case.main()
