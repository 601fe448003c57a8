"""Sequence-to-sequence models of TensorFlow 1: losses, helpers, decoders, attention."""
