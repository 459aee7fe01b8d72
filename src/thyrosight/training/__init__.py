"""cases.csv, configuration -> a run folder with the trained network and its bundle.

Importing this package keeps matplotlib's list of fonts out of the home folder: nothing of ours is written outside the
output folder. It happens here because lightning imports matplotlib (through torchmetrics).
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

if "MPLCONFIGDIR" not in os.environ:
    _font_folder = tempfile.mkdtemp(prefix="thyrosight-")
    atexit.register(shutil.rmtree, _font_folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = _font_folder
