"""Sums and their like, running ones and softmax: kernels that combine along an axis.

The order of every combination is written out and depends on shapes alone.
"""
