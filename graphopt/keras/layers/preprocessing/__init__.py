"""Layers that prepare inputs: numbers, categories, words, images.

Some learn from data before training: `adapt` reads them once, on the host. What works on
strings looks words up on the host as well, and is best called in `Dataset.map`; layers of
images are arithmetic, and compile with the step that they are in.
"""
