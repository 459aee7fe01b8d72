"""File or array -> Frame. The content tells the format, sizes have limits, a child process decodes DICOM and video."""
