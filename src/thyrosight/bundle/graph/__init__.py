"""Bytes of an ONNX file -> whether its graph may run: read by own code, then followed operator by operator."""
