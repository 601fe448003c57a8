"""What is written once and has to be listed elsewhere: forgetting it fails here."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import graphopt
from graphopt import keras
from graphopt.codegen.elementwise.expressions import MACROS
from graphopt.codegen.functions import find_maths
from graphopt.commands.verbs import SUMMARIES, load_verb
from graphopt.graph.opspec import EXPRESSION_FUNCTIONS
from graphopt.keras.callbacks.base import Callback
from graphopt.keras.layers.base import Layer
from graphopt.keras.losses.base import Loss
from graphopt.keras.metrics.base import Metric
from graphopt.keras.optimizers import CLASSES, Optimizer
from graphopt.rewrite.driver import Pass
from graphopt.rewrite.pipeline import BODY, PIPELINE
from tests.keras.optimizer_table import CASES

PACKAGE = Path(graphopt.__file__).parent
TESTS = Path(__file__).parent.parent


def files_of(folder):
    """Returns the modules of a folder by the names of their files, folders in it too."""
    return {
        ".".join(path.relative_to(PACKAGE / folder).with_suffix("").parts): path
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if path.name != "__init__.py"
    }


def defined_in(folder, kind):
    """Returns (module, name, thing) of what the files of a folder define of a kind."""
    found = []
    for name in files_of(folder):
        module = importlib.import_module(f"graphopt.{folder.replace('/', '.')}.{name}")
        for label, thing in vars(module).items():
            own = getattr(thing, "function", thing)
            if getattr(own, "__module__", "") == module.__name__ and not (
                label.startswith("_")
            ):
                if isinstance(kind, tuple) and isinstance(thing, kind):
                    found.append((name, label, thing))
                elif inspect.isclass(kind) and inspect.isclass(thing):
                    found += [(name, label, thing)] if issubclass(thing, kind) else []
    return found


# ---- passes

PASSES = defined_in("rewrite", (Pass,))


@pytest.mark.parametrize("each", [p for *_, p in PASSES], ids=lambda p: p.name)
def test_a_pass_is_in_the_pipeline(each):
    assert each in PIPELINE or each in BODY, (
        f"{each.name} never runs: name it in PIPELINE of rewrite/pipeline.py, or in BODY, "
        "which holds for what is inside of branches and loops"
    )


def test_passes_are_found_where_they_are():
    decorated = [
        name
        for name, path in files_of("rewrite").items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any("graph_pass" in ast.unparse(d) for d in node.decorator_list)
    ]
    assert sorted(decorated) == sorted(module for module, *_ in PASSES)


# ---- verbs


@pytest.mark.parametrize("name", files_of("commands"))
def test_a_verb_is_listed(name):
    path = files_of("commands")[name]
    functions = {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    if "add_parser" in functions:
        assert name in SUMMARIES, f"list {name} in SUMMARIES of commands/verbs.py"


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_listed_verb_can_be_given(name):
    verb = load_verb(name)
    assert callable(verb.add_parser)
    assert callable(verb.run)


# ---- Keras

TESTED_ELSEWHERE = {"LossScaleOptimizer": "it has no equation of its own"}


@pytest.mark.parametrize(
    "cls",
    [c for *_, c in defined_in("keras/optimizers", Optimizer) if c is not Optimizer],
    ids=lambda cls: cls.__name__,
)
def test_an_optimizer_is_exported_listed_and_tested(cls):
    name = cls.__name__
    assert getattr(keras.optimizers, name, None) is cls, (
        f"export {name} in keras/optimizers/__init__.py"
    )
    assert CLASSES.get(name.lower()) is cls, f"list {name} in CLASSES, for `get`"
    assert name in TESTED_ELSEWHERE or any(case.name == name for case in CASES), (
        f"write the equation of {name} in NumPy, in tests/keras/optimizer_table.py"
    )


# Classes that others of the family are made of, or that are made for the user.
NOT_PUBLIC = {
    "BaseConv": "of convolutions",
    "DropoutCell": "of recurrent cells",
    "OpLayer": "made by functions of `tf` on a `tf.keras.Input`",
    "OptionLayer": "of layers with arguments in `config_names`",
    "PreprocessingLayer": "of the preprocessing layers",
    "ThresholdMetric": "of metrics with thresholds",
}
# Public ones that tests know by those that are made of them.
BASES = {
    "AbstractRNNCell": "for cells of users, as in TensorFlow",
    "InputLayer": "made by `tf.keras.Input`, which tests call",
    "MeanMetricWrapper": "what metrics of functions are",
    "Reduce": "of Sum and Mean",
    "SensitivitySpecificityBase": "of four metrics in `curves`",
    "SumOverBatchSizeMetricWrapper": "as in Keras, for metrics of users",
    "Wrapper": "of Bidirectional and TimeDistributed",
}
FAMILIES = {"layers": Layer, "losses": Loss, "metrics": Metric, "callbacks": Callback}
MEMBERS = [
    (family, module, name, cls)
    for family, base in FAMILIES.items()
    for module, name, cls in defined_in(f"keras/{family}", base)
]
WORDS = {
    word
    for path in TESTS.rglob("*.py")
    if path != Path(__file__)
    for word in re.findall(r"\w+", path.read_text())
}


@pytest.mark.parametrize(
    ("family", "name", "cls"),
    [(family, name, cls) for family, _, name, cls in MEMBERS],
    ids=[f"{family}.{name}" for family, _, name, _ in MEMBERS],
)
def test_what_keras_files_define_is_exported_and_tested(family, name, cls):
    namespace = getattr(keras, family)
    if name in NOT_PUBLIC:
        assert name not in dir(namespace)
        return
    assert name in dir(namespace), (
        f"export {name} in keras/{family}/__init__.py, or give a reason in NOT_PUBLIC"
    )
    assert getattr(namespace, name) is cls
    assert name in BASES or name in WORDS, f"no test names {name}"


def test_reasons_are_still_needed():
    names = {name for *_, name, _ in MEMBERS}
    assert {*BASES, *NOT_PUBLIC} <= names
    assert all([*BASES.values(), *NOT_PUBLIC.values()])
    assert set(TESTED_ELSEWHERE) <= {c.__name__ for c in CLASSES.values()}


# ---- functions of expressions


def test_functions_of_expressions_have_code():
    known = {*MACROS, *find_maths()}
    missing = set(EXPRESSION_FUNCTIONS) - known
    assert not missing, (
        f"write {sorted(missing)} in a file of codegen/maths/, in its FUNCTIONS, or as "
        "text in MACROS of codegen/elementwise/expressions.py"
    )
    unlisted = known - set(EXPRESSION_FUNCTIONS)
    assert not unlisted, (
        f"list {sorted(unlisted)} in EXPRESSION_FUNCTIONS of graph/opspec.py: no op can "
        "use what is not there"
    )


# ---- folders


def load_check_layers():
    """Imports the tool."""
    path = PACKAGE.parent / "tools" / "check_layers.py"
    spec = importlib.util.spec_from_file_location("check_layers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("attic/x.py", "", "attic is in no rank"),
        ("graph/x.py", "from graphopt.attic import x", "attic is in no rank"),
        ("graph/x.py", "from graphopt.ops import x", "graph may not import ops"),
        ("ops/x.py", "from graphopt.graph import x", ""),
        ("codegen/attic/x.py", "", "attic is in no rank"),
        ("codegen/cache/x.py", "from graphopt.codegen import tape", "not import tape"),
        ("codegen/cache/x.py", "from graphopt.codegen.tape.a import x", "import tape"),
        ("codegen/tape/x.py", "from graphopt.codegen.cache import x", ""),
    ],
)
def test_folders_are_ranked(tmp_path, capsys, file, text, words):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    failed = load_check_layers().main(tmp_path)
    assert failed == bool(words)
    assert words in capsys.readouterr().out
