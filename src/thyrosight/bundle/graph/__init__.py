"""Bytes of an ONNX file -> whether its graph may run: read without a parser of others, followed operator by operator."""
