"""Expressions over elements: single ops and fused regions.

`expressions` translates the registry's templates, `elementwise` writes the loop nest around
them, `division` and `finite` are the loops that report what they meet.
"""
