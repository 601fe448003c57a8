"""Copies, slices, transposes, gathers and scatters: kernels that compute nothing."""
