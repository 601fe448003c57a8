"""Computes once, now, what no run can change."""

from __future__ import annotations

import numpy as np

from graphopt.graph.opspec import Alias, Effect, Elementwise
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.strings import to_array
from graphopt.ops.creation import CONST
from graphopt.rewrite.driver import graph_pass
from graphopt.rewrite.prune_unfetched import prune_unfetched

# A fold may not make a graph much larger than its inputs already are: zeros([4096, 4096])
# is better filled at run time than carried along.
LARGEST_GROWTH_BYTES = 1 << 14


@graph_pass(preserves="bits")
def fold_constants(program: Program) -> Program:
    """Replaces pure ops on constants by their values, as NumPy computes them."""
    rebuilder = Rebuilder(program)
    folded = False
    for op in program.operations:
        inputs = [rebuilder.tensors[tensor] for tensor in op.inputs]
        foldable = (
            inputs
            and len(op.outputs) == 1
            and op.spec.effect is Effect.NONE
            and isinstance(op.spec.kernel, (Elementwise, Alias))
            and all(tensor.op.spec is CONST for tensor in inputs)
            and not op.control_inputs
        )
        if foldable:
            arrays = [tensor.op.attrs["value"] for tensor in inputs]
            out = op.outputs[0]
            size = (out.shape.num_elements() or 0) * out.dtype.size
            if size <= sum(array.nbytes for array in arrays) + LARGEST_GROWTH_BYTES:
                value = to_array(op.spec.compute(*arrays, **op.attrs))
                value = np.ascontiguousarray(value).reshape(value.shape)
                new = rebuilder.add(op, spec=CONST, inputs=[], attrs={"value": value})
                rebuilder.tensors[out] = new.outputs[0]
                folded = True
                continue
        rebuilder.copy(op)
    done = rebuilder.finish()
    return prune_unfetched.function(done) if folded else done
