"""Modules of tf_keras, for its unit tests, made of what graphopt has.

`import tf_keras.engine.training` finds a module whose names are looked up in `graphopt.keras`
and its parts; `tf_keras.testing_infra.test_utils` is the file of tf_keras itself, and
`test_combinations`, which runs a test in many modes, is replaced by one that runs it once, for
each kind of model where it asks for that. What only the tests of TensorFlow's own insides need
stands for nothing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import itertools
import re
import sys
import types
from pathlib import Path
from typing import Any

import graphopt

PARTS = (
    "",
    "layers",
    "losses",
    "metrics",
    "models",
    "utils",
    "callbacks",
    "backend",
    "optimizers",
    "optimizers.schedules",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "preprocessing.image",
    "preprocessing.text",
    "preprocessing.sequence",
    "mixed_precision",
    "applications",
)
# Files of tf_keras that are run as they are.
FILES = (
    "tf_keras.testing_infra.test_utils",
    "tf_keras.layers.preprocessing.preprocessing_test_utils",
)


class Nothing:
    """Stands for what a test of TensorFlow's insides asks for: any name, any call."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        # Attributes by which pytest tells what something is.
        if name.startswith("__") or name in ("pytestmark", "place_as"):
            raise AttributeError(name)
        return Nothing()

    def __call__(self, *args: Any, **_kwargs: Any) -> Any:
        """Returns a function that it decorates, else nothing."""
        return args[0] if len(args) == 1 and callable(args[0]) else Nothing()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_exception: Any) -> bool:
        return False


class ReductionV2:
    """The names of reductions."""

    AUTO, NONE, SUM = "auto", "none", "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Returns all of them."""
        return (cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE)


_INSPECT = types.SimpleNamespace(
    getargspec=inspect.getfullargspec,
    getfullargspec=inspect.getfullargspec,
    isclass=inspect.isclass,
    isfunction=inspect.isfunction,
    ismethod=inspect.ismethod,
    signature=inspect.signature,
)
OTHERS: dict[str, Any] = {
    "ReductionV2": ReductionV2,
    "SafeModeScope": Nothing,
    "keras_export": lambda *_args, **_kwargs: lambda thing: thing,
    "tf_contextlib": contextlib,
    "tf_inspect": _INSPECT,
    "v2_dtype_behavior_enabled": lambda: True,
}


class Module(types.ModuleType):
    """A module of tf_keras."""

    root: Path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in OTHERS:
            return OTHERS[name]
        file = self.root / self.__name__.replace(".", "/") / name
        if file.with_suffix(".py").exists() or file.is_dir():
            return importlib.import_module(f"{self.__name__}.{name}")
        own = self.__name__.partition(".")[2]
        for part in (own, *PARTS):
            with contextlib.suppress(ImportError):
                module = importlib.import_module(f"graphopt.keras.{part}".rstrip("."))
                if hasattr(module, name):
                    return getattr(module, name)
        if name[0].isupper():
            return type(name, (), {})
        raise AttributeError(f"{self.__name__} has no {name}")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules of tf_keras, and those of `tensorflow.python` that graphopt has not.

    Args:
      root: The folder with the sources of tf_keras.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Returns the specification of a module, None if it is not one of these."""
        is_keras = name.partition(".")[0] == "tf_keras"
        leaf = name.rpartition(".")[2]
        if not is_keras or leaf[:1].isupper():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        """Returns an empty module."""
        module = Module(spec.name)
        module.__path__ = []
        Module.root = self._root
        return module

    def exec_module(self, module: Any) -> None:
        """Fills it, if it is a file of tf_keras or the one that is replaced."""
        name = module.__name__
        if name in FILES:
            file = self._root / (name.replace(".", "/") + ".py")
            exec(compile(_adapted(file.read_text()), str(file), "exec"), vars(module))
        elif name == "tf_keras.testing_infra.test_combinations":
            vars(module).update(make_combinations())


class Rest(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules of `tensorflow.python` that nothing else found."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Returns the specification of a module."""
        if name.startswith("tensorflow.python"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> Any:
        """Returns a module in which every name stands for nothing."""
        module = types.ModuleType(spec.name)
        module.__path__ = []
        vars(module)["__getattr__"] = lambda name: getattr(Nothing(), name)
        return module

    def exec_module(self, module: Any) -> None:
        """Does nothing."""


def _adapted(source: str) -> str:
    """Takes out of a file what is about TensorFlow's insides."""
    source = source.replace("@tf_test_utils.disable_cudnn_autotune", "")
    source = source.replace(
        "def should_run_eagerly():",
        "def should_run_eagerly():\n    return False\ndef _former():",
    )
    return re.sub(r"from tensorflow\.python\.\S+ import \([^)]*\)", "", source)


def make_combinations() -> dict[str, Any]:
    """Returns the names of `test_combinations`: decorators that run a test a few times."""
    from absl.testing import parameterized
    from tf_keras.testing_infra import test_utils

    class TestCase(graphopt.test.TestCase, parameterized.TestCase):
        """A test of Keras."""

        def tearDown(self) -> None:
            """Forgets names, policies and sessions."""
            graphopt.keras.backend.clear_session()
            graphopt.keras.mixed_precision.set_global_policy(None)
            super().tearDown()

    def as_it_is(function: Any = None, **_options: Any) -> Any:
        return (lambda f: f) if function is None else function

    def for_each(values: Any, scope: Any) -> Any:
        def decorate(
            function: Any = None, exclude_models: Any = (), **_options: Any
        ) -> Any:
            if function is None:
                return functools.partial(decorate, exclude_models=exclude_models)
            if isinstance(function, type):
                return _decorate_tests(function, decorate)

            @functools.wraps(function)
            def run(self: Any, *args: Any, **kwargs: Any) -> None:
                left_out = exclude_models or ()
                for value in values:
                    if value not in (
                        [left_out] if isinstance(left_out, str) else left_out
                    ):
                        with scope(value):
                            function(self, *args, **kwargs)

            return run

        return decorate

    def combine(**options: Any) -> list[dict[str, Any]]:
        lists = [v if isinstance(v, (list, tuple)) else [v] for v in options.values()]
        return [dict(zip(options, c, strict=True)) for c in itertools.product(*lists)]

    def times(*lists: Any) -> list[dict[str, Any]]:
        return [
            {key: value for part in parts for key, value in part.items()}
            for parts in itertools.product(*lists)
        ]

    def generate(combinations: Any, **_options: Any) -> Any:
        def decorate(function: Any) -> Any:
            if isinstance(function, type):
                return _decorate_tests(function, decorate)

            @functools.wraps(function)
            def run(self: Any, *args: Any, **kwargs: Any) -> None:
                for given in combinations:
                    if given.get("mode", "eager") == "eager":
                        _run_one(function, self, args, kwargs, dict(given))

            # Not the signature of the test, whose arguments are given here.
            del run.__wrapped__
            return run

        return decorate

    def _run_one(f: Any, case: Any, args: Any, kwargs: Any, given: Any) -> None:
        for name in ("mode", "run_eagerly", "distribution"):
            given.pop(name, None)
        kind = given.pop("model_type", None)
        scope = test_utils.model_type_scope(kind) if kind else contextlib.nullcontext()
        with scope:
            f(case, *args, **{**kwargs, **given})

    kinds = ["functional", "subclass", "sequential"]
    once = for_each([None], lambda _: contextlib.nullcontext())
    return {
        "TestCase": TestCase,
        "combine": combine,
        "generate": generate,
        "keras_mode_combinations": lambda **_options: [{"mode": "eager"}],
        "keras_model_type_combinations": lambda: combine(model_type=kinds),
        "keras_tensor_combinations": lambda: [{}],
        "run_all_keras_modes": as_it_is,
        "run_with_all_model_types": for_each(kinds, test_utils.model_type_scope),
        "run_with_all_saved_model_formats": once,
        "run_with_all_weight_formats": once,
        "times": times,
    }


def _decorate_tests(cls: Any, decorate: Any) -> Any:
    for name, value in list(vars(cls).items()):
        if name.startswith("test") and callable(value):
            setattr(cls, name, decorate(value))
    return cls


def install(root: Path) -> None:
    """Lets imports of tf_keras and tensorflow find graphopt."""
    graphopt.install_as_tensorflow(2)
    graphopt.__internal__ = Nothing()  # type: ignore[attr-defined]
    sys.meta_path.insert(0, Finder(root))
    sys.meta_path.append(Rest())
