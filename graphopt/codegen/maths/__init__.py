"""exp, tanh, erf, lgamma and their like: straight lines of arithmetic, within stated ulps.

No branch, no table, no call, so that LLVM makes vectors of a loop that uses them, and the
same bits for a vector of any width.
"""
