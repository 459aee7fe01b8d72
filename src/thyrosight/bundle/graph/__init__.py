"""Bytes of an ONNX file -> whether its graph may run. Our own code reads it and follows it operator by operator."""
