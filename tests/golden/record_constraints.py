"""Records constraints and regularizers of tf_keras for `test_constraints.py`.

python tests/golden/record_constraints.py     with an interpreter that has tf_keras 2.21
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CONSTRAINTS = {
    "max_norm": ("MaxNorm", {}),
    "max_norm_axis": ("MaxNorm", {"max_value": 0.75, "axis": [0, 1, 2]}),
    "non_neg": ("NonNeg", {}),
    "unit_norm": ("UnitNorm", {}),
    "unit_norm_axis": ("UnitNorm", {"axis": -1}),
    "min_max_norm": ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.25}),
    "min_max_norm_rate": (
        "MinMaxNorm",
        {"min_value": 0.5, "max_value": 1.25, "rate": 0.3, "axis": [0, 1]},
    ),
    "radial_2": ("RadialConstraint", {}),
    "radial_3": ("RadialConstraint", {}),
    "radial_4": ("RadialConstraint", {}),
    "radial_5": ("RadialConstraint", {}),
    "radial_7": ("RadialConstraint", {}),
}
REGULARIZERS = {
    "l1": ("L1", {}),
    "l2": ("L2", {"l2": 0.25}),
    "l1_l2": ("L1L2", {"l1": 0.125, "l2": 0.5}),
    "orthogonal_rows": ("OrthogonalRegularizer", {}),
    "orthogonal_columns": ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
}


def inputs_of(label):
    """The weight that a case is called on."""
    size = int(label[-1]) if label.startswith("radial") else 3
    shape = (size, size, 2, 3) if label in CONSTRAINTS else (4, 3)
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def main():
    """Writes constraints.npz next to this file."""
    import tf_keras as keras

    found = {}
    for module, cases in (
        (keras.constraints, CONSTRAINTS),
        (keras.regularizers, REGULARIZERS),
    ):
        for label, (name, options) in cases.items():
            value = getattr(module, name)(**options)(
                keras.backend.constant(inputs_of(label))
            )
            found[label] = np.asarray(value)
    np.savez(Path(__file__).with_name("constraints.npz"), **found)


if __name__ == "__main__":
    main()
