"""Suspicious file -> whether a child process survives the prediction of it.

A server that was killed twice while it predicted one file does not know whether the file or an operator killed it. So
before the third try a child process predicts the file. If the child is killed, the file is at fault, and the server is
unharmed. If the server is killed, its child ends too, and the trial has no result.

Run as `python -m thyrosight.inference.trial BUNDLE FILE`; the child ends when its stdin is closed.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

from thyrosight.errors import ThyrosightError

TRIAL_SECONDS = 900.0
NOT_TRIED = 75
"""Exit code of a child that could not begin."""
_MODULE = "thyrosight.inference.trial"


def survives(bundle: Path, path: Path) -> bool:
    """Whether a child process predicts or refuses the file and ends by itself within TRIAL_SECONDS.

    OSError where no child could begin, because memory or open files ran out; this tells nothing about the file.
    """
    home = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([home, *(part for part in sys.path if part)])
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", _MODULE, str(bundle), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        code = child.wait(TRIAL_SECONDS)
        if code == NOT_TRIED:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return code == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        child.kill()
        child.wait()
        if child.stdin is not None:
            child.stdin.close()


def main() -> None:
    """The child process: predicts every frame. Only the death of the process is a failure; an exception is not."""
    bundle, path = (Path(argument) for argument in sys.argv[1:3])
    try:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        from thyrosight.inference.predict_file import ReadOptions, examine_file
        from thyrosight.inference.predictor import Predictor

        predictor = Predictor.load(bundle, threads=1)
    except Exception:
        sys.exit(NOT_TRIED)
    try:
        examine_file(predictor, path, ReadOptions(frame_index=None))
    except ThyrosightError:
        pass  # a refused file does no harm
    except Exception:
        pass  # a bug of ours, which the server would catch too


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: its lock, held by a thread, aborts the process as it ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
