"""Frame -> Prediction on ONNX Runtime, without torch."""
