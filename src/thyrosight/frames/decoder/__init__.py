"""DICOM and video -> frames, in a child process with a cap on memory, time and files."""
