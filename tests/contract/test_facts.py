"""Facts about ops stand in the registry: no other file knows an op by its name."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

import graphopt
import graphopt.ops.every
from graphopt.graph.opspec import REGISTRY, Cost, Elementwise, register

PACKAGE = Path(graphopt.__file__).parent
# What may be spelled like an op and is none: the type of Python, in lists of what is
# imported and not public.
NOT_OPS = {"Any"}
ARE_LAYERS = "names of classes of layers"
ARE_DEFAULTS = "the name that TensorFlow gives an op of which the user gave none"
# File -> the names in it, and why they may be there.
ALLOWED = {
    "autodiff/python_functions.py": ("EagerPyFunc", "registers it"),
    "compat/v1/arguments.py": ("Const", ARE_DEFAULTS),
    "compat/v1/distributions/discrete.py": ("Multinomial", "a distribution"),
    "compat/v1/metrics/ranked.py": ("Max", ARE_DEFAULTS),
    "compat/v1/seq2seq/beam_search.py": (
        "GatherTree",
        "registers it when it is loaded",
    ),
    "data/graph_iterators.py": ("MakeIterator IteratorGetNext", ARE_DEFAULTS),
    "exchange/graph_def.py": ("*", "the table that translates ops to TensorFlow's"),
    "graph/body.py": ("Placeholder", "graph/ may not import ops/, and bodies need it"),
    "keras/layers/__init__.py": (
        "Softmax Conv2D Identity Maximum Minimum Reshape",
        ARE_LAYERS,
    ),
    "keras/optimizers/resource_apply.py": ("ReadVariableOp", "a name in tf.raw_ops"),
    "sparse/tensor.py": ("Placeholder", ARE_DEFAULTS),
}


# What is registered by a file that nobody may have loaded counts too.
NAMES = {*REGISTRY, *(n for names, _ in ALLOWED.values() for n in names.split())} - {
    "*"
}


def names_in(path):
    """Returns (line, name) of each text in a file's code that is the name of an op."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value in NAMES
        and node.value not in NOT_OPS
    ]


FILES = {
    str(path.relative_to(PACKAGE)): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] != "ops"
}


def test_no_file_outside_of_ops_knows_an_op_by_its_name():
    found = []
    for name, path in FILES.items():
        allowed = ALLOWED.get(name, ("", ""))[0].split()
        found += [
            f"{name}:{line}: {op!r}"
            for line, op in names_in(path)
            if op not in allowed and "*" not in allowed
        ]
    assert not found, (
        "Make what these lines ask a field of OpSpec, or compare `op.spec` with the entry "
        "that ops/ exports:\n" + "\n".join(found)
    )


@pytest.mark.parametrize("name", ALLOWED)
def test_exceptions_are_still_needed(name):
    names, reason = ALLOWED[name]
    found = {op for _, op in names_in(FILES[name])}
    assert reason
    assert found if names == "*" else found == set(names.split())


def test_an_elementwise_op_says_what_it_costs():
    spec = dataclasses.replace(REGISTRY["Exp"], name="Unrated", cost=None)
    with pytest.raises(ValueError, match="needs a cost"):
        register(spec)
    assert "Unrated" not in REGISTRY


@pytest.mark.parametrize("spec", REGISTRY.values(), ids=lambda spec: spec.name)
def test_fields_fit_each_other(spec):
    """What only some ops have is stated by none that cannot have it."""
    if isinstance(spec.kernel, Elementwise):
        assert isinstance(spec.cost, Cost)
    elif spec.cost is not None:
        assert spec.cost is Cost.MOVE, "only a loop asks what an element costs"
    inputs = len(spec.samples()[0].inputs)
    assert all(0 <= i < inputs for i in spec.partial_inputs)
    if spec.integer_kernel is not None:
        assert any(dtype.is_integer for dtype in spec.dtypes)
    if spec.takes_slices:
        assert callable(spec.vjp)
    if spec.is_handle:
        assert spec.outputs == 1
