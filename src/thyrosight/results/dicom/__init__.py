"""Prediction -> DICOM: SEG, SR and Secondary Capture that refer to their source; `case.py` is the door.

`source.py` reads what is known of the source, with or without its identity; `findings.py` holds what is said of it.
"""
