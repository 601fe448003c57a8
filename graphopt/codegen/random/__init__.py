"""Random numbers: Philox counters -> uniform, normal and integer draws.

Element i of a draw depends on key, counter and i alone, so any cut gives the same bits.
"""
