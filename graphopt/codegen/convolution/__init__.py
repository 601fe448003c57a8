"""Convolutions and poolings, and their derivatives.

Four ways to a convolution, as its sizes ask for them: `direct_convolution` computes tiles of
pixels by channels from the image itself; `one_channel` does so where a pixel is one element;
`convolutions` lays windows out as patches, for matrix products; loops over windows (`windows`)
are left for what is depthwise or empty. All sum in registers with the tile of `matmul.tile`.
Poolings are loops over windows (`windows`) whose channels are vectors (`channels`).
"""
