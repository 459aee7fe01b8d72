"""Frame or file -> Prediction, by a model bundle on ONNX Runtime. Nothing here loads torch."""
