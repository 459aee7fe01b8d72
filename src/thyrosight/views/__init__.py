"""Frame -> its ultrasound field, the views in the field, and each view scaled to the network's input and back."""
