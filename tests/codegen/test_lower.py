"""Every kernel family that the registry names has a generator."""

from __future__ import annotations

from graphopt.codegen.lower import FAMILIES
from graphopt.graph.opspec import REGISTRY, Family


def test_families_are_those_of_the_registry():
    kernels = [k for s in REGISTRY.values() for k in (s.kernel, s.integer_kernel)]
    named = {kernel.name for kernel in kernels if isinstance(kernel, Family)}
    assert named == set(FAMILIES)
