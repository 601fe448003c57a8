"""Kernels that exchange values with other processes."""
