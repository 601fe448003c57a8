"""`gen_training_ops` and its like: the ops of `tf.raw_ops` by their names in functions.

Ops on references, as `apply_adam`, are those on resources: all variables here are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt import raw_ops


def _camel_case(name: str) -> str:
    """Returns the name of an op.

    >>> _camel_case("resource_apply_adam"), _camel_case("apply_rms_prop")
    ('ResourceApplyAdam', 'ResourceApplyRMSProp')
    """
    name = "".join(part.capitalize() for part in name.split("_"))
    name = name.replace("RmsProp", "RMSProp").replace("AdagradDa", "AdagradDA")
    if name.startswith(("Apply", "SparseApply", "Scatter")):
        name = f"Resource{name}"
    return name


def __getattr__(name: str) -> Callable[..., Any]:
    if not name.startswith("_"):
        op = _camel_case(name)
        if op in dir(raw_ops):
            found: Callable[..., Any] = getattr(raw_ops, op)
            return found
    raise AttributeError(f"there is no raw op {name!r}", name=name)


def __dir__() -> list[str]:
    return []
