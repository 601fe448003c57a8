"""Convolutions and poolings, and their derivatives."""
