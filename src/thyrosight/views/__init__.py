"""A frame -> its ultrasound field, its views, and their way into the network's input and back."""
