"""Bytes of an ONNX file -> whether its graph may run. It is read by own code, then followed operator by operator."""
