"""`tensorflow.python`: the modules behind TensorFlow's names, which programs import.

None of them is public, and yet a third of the programs of version 1 has a line as
`from tensorflow.python.framework import ops`. Each is a module here that looks its names
up in the public namespaces that `SOURCES` lists for it, with the arguments of version 1.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

# Module below `tensorflow.python`: where its names come from, in this order, as paths
# below `graphopt.compat.v1` ("" for itself) or, with a colon before them, below `graphopt`.
SOURCES: dict[str, tuple[str, ...]] = {
    "autograph": ("autograph",),
    "client": ("",),
    "client.device_lib": (":aliases.devices",),
    "client.session": ("",),
    "client.timeline": (":aliases.devices",),
    "data": ("data",),
    "data.experimental": ("data.experimental",),
    "data.ops": ("data",),
    "data.ops.dataset_ops": ("data",),
    "data.ops.iterator_ops": ("data", ":data.iterators"),
    "data.ops.readers": ("data",),
    "eager": (),
    "eager.backprop": ("", ":autodiff.tape"),
    "eager.context": ("", ":aliases.helpers"),
    "eager.def_function": ("", ":"),
    "eager.function": ("", ":"),
    "eager.tape": (":autodiff.tape",),
    "framework": (),
    "framework.constant_op": ("",),
    "framework.dtypes": ("dtypes", ""),
    "framework.errors": ("errors",),
    "framework.errors_impl": ("errors",),
    "framework.function": ("",),
    "framework.importer": ("",),
    "framework.indexed_slices": ("",),
    "framework.ops": ("", ":aliases.helpers"),
    "framework.random_seed": ("random", ""),
    "framework.smart_cond": (":aliases.helpers",),
    "framework.sparse_tensor": ("sparse", ""),
    "framework.tensor_shape": ("", ":aliases.helpers"),
    "framework.tensor_spec": ("",),
    "framework.tensor_util": (":aliases.helpers", ""),
    "framework.test_util": ("test", ":aliases.helpers"),
    "keras": ("keras",),
    "keras.activations": ("keras.activations",),
    "keras.callbacks": ("keras.callbacks",),
    "keras.backend": ("keras.backend",),
    "keras.backend_config": ("keras.backend",),
    "keras.constraints": ("keras.constraints",),
    "keras.datasets": ("keras.datasets",),
    "keras.engine": ("keras.layers", "keras.models", "keras"),
    "keras.engine.base_layer": ("keras.layers",),
    "keras.engine.functional": ("keras.models", "keras"),
    "keras.engine.input_layer": ("keras.layers",),
    "keras.engine.input_spec": ("keras.layers",),
    "keras.engine.keras_tensor": ("keras",),
    "keras.engine.sequential": ("keras.models",),
    "keras.engine.training": ("keras.models", "keras"),
    "keras.initializers": ("keras.initializers",),
    "keras.layers": ("keras.layers",),
    "keras.layers.convolutional": ("keras.layers",),
    "keras.layers.core": ("keras.layers",),
    "keras.layers.embeddings": ("keras.layers",),
    "keras.layers.merge": ("keras.layers",),
    "keras.layers.normalization": ("keras.layers",),
    "keras.layers.pooling": ("keras.layers",),
    "keras.layers.recurrent": ("keras.layers",),
    "keras.layers.wrappers": ("keras.layers",),
    "keras.losses": ("keras.losses",),
    "keras.metrics": ("keras.metrics",),
    "keras.models": ("keras.models",),
    "keras.optimizer_v2": ("keras.optimizers",),
    "keras.optimizer_v2.adam": ("keras.optimizers",),
    "keras.optimizer_v2.gradient_descent": ("keras.optimizers",),
    "keras.optimizer_v2.learning_rate_schedule": ("keras.optimizers.schedules",),
    "keras.optimizer_v2.optimizer_v2": ("keras.optimizers", ":aliases.helpers"),
    "keras.optimizer_v2.rmsprop": ("keras.optimizers",),
    "keras.optimizers": ("keras.optimizers",),
    "keras.regularizers": ("keras.regularizers",),
    "keras.utils": ("keras.utils",),
    "keras.utils.generic_utils": ("keras.utils",),
    "keras.utils.data_utils": ("keras.utils",),
    "keras.utils.layer_utils": ("keras.utils",),
    "keras.utils.np_utils": ("keras.utils",),
    "keras.utils.vis_utils": ("keras.utils",),
    "layers": ("layers",),
    "layers.base": ("layers",),
    "layers.core": ("layers",),
    "layers.convolutional": ("layers",),
    "layers.layers": ("layers",),
    "layers.normalization": ("layers",),
    "layers.pooling": ("layers",),
    "layers.utils": (":aliases.helpers",),
    "lib": (),
    "lib.io": (),
    "lib.io.file_io": (":aliases.helpers", "gfile", "io"),
    "lib.io.tf_record": ("python_io", "io"),
    "module": ("",),
    "ops": (),
    "ops.array_ops": ("", ":"),
    "ops.candidate_sampling_ops": ("nn", "random"),
    "ops.check_ops": ("", "debugging"),
    "ops.clip_ops": ("",),
    "ops.confusion_matrix": ("", "math"),
    "ops.control_flow_assert": ("",),
    "ops.control_flow_ops": ("",),
    "ops.ctc_ops": ("nn",),
    "ops.custom_gradient": ("",),
    "ops.data_flow_ops": ("", "queue"),
    "ops.distributions": ("distributions",),
    "ops.distributions.distribution": ("distributions",),
    "ops.embedding_ops": ("nn",),
    "ops.functional_ops": ("",),
    "ops.gen_array_ops": (":aliases.raw", "", ":"),
    "ops.gen_math_ops": (":aliases.raw", "", "math"),
    "ops.gen_nn_ops": (":aliases.raw", "nn"),
    "ops.gen_state_ops": (":aliases.raw", ""),
    "ops.gen_training_ops": (":aliases.raw",),
    "ops.gradients": ("", ":"),
    "ops.gradients_impl": ("", ":"),
    "ops.gradients_util": ("",),
    "ops.image_ops": ("image", ":image"),
    "ops.image_ops_impl": ("image", ":image"),
    "ops.init_ops": ("", "initializers"),
    "ops.init_ops_v2": (":initializers", ":"),
    "ops.io_ops": ("", "io"),
    "ops.linalg_ops": ("", "linalg"),
    "ops.logging_ops": ("", "summary"),
    "ops.lookup_ops": (":v1.contrib.lookup", "lookup", ""),
    "ops.losses": ("losses",),
    "ops.losses.losses": ("losses",),
    "ops.losses.losses_impl": ("losses",),
    "ops.losses.util": ("losses",),
    "ops.map_fn": ("",),
    "ops.math_ops": ("", "math", ":", ":aliases.helpers"),
    "ops.metrics": ("metrics",),
    "ops.metrics_impl": ("metrics",),
    "ops.nn": ("nn", ""),
    "ops.nn_impl": ("nn",),
    "ops.nn_ops": ("nn", ""),
    "ops.parsing_ops": ("", "io"),
    "ops.partitioned_variables": ("",),
    "ops.random_ops": ("", "random"),
    "ops.resource_variable_ops": ("", ":ops.resource_scatter", ":aliases.raw"),
    "ops.rnn": ("nn",),
    "ops.rnn_cell": ("nn.rnn_cell",),
    "ops.rnn_cell_impl": ("nn.rnn_cell",),
    "ops.script_ops": ("",),
    "ops.sparse_ops": ("sparse", ""),
    "ops.special_math_ops": ("math", ""),
    "ops.standard_ops": ("",),
    "ops.state_ops": ("", ":aliases.raw"),
    "ops.string_ops": ("strings", ""),
    "ops.summary_ops_v2": ("summary",),
    "ops.template": ("",),
    "ops.tensor_array_ops": ("",),
    "ops.variable_scope": ("", ":aliases.helpers"),
    "ops.variables": ("", ":aliases.helpers"),
    "ops.while_loop": ("",),
    "platform": (),
    "platform.app": ("app",),
    "platform.flags": ("flags",),
    "platform.gfile": ("gfile",),
    "platform.googletest": ("test",),
    "platform.resource_loader": ("resource_loader",),
    "platform.test": ("test",),
    "platform.tf_logging": ("logging",),
    "summary": ("summary",),
    "summary.summary": ("summary",),
    "summary.writer": ("summary",),
    "summary.writer.writer": ("summary",),
    "training": ("train",),
    "training.adam": ("train",),
    "training.adagrad": ("train",),
    "training.basic_session_run_hooks": ("train",),
    "training.checkpoint_management": ("train",),
    "training.checkpoint_utils": ("train",),
    "training.coordinator": ("train",),
    "training.ftrl": ("train",),
    "training.gradient_descent": ("train",),
    "training.input": ("train",),
    "training.learning_rate_decay": ("train",),
    "training.momentum": ("train",),
    "training.monitored_session": ("train",),
    "training.moving_averages": ("train", ":aliases.helpers"),
    "training.optimizer": ("train", ":aliases.helpers"),
    "training.queue_runner": ("train",),
    "training.queue_runner_impl": ("train",),
    "training.rmsprop": ("train",),
    "training.saver": ("train",),
    "training.session_run_hook": ("train",),
    "training.slot_creator": ("train", ":compat.v1.train.slots"),
    "training.summary_io": ("summary", "train"),
    "training.training": ("train",),
    "training.training_ops": (":aliases.raw",),
    "training.training_util": ("train",),
    "util": (),
    "util.compat": ("compat",),
    "util.deprecation": (":aliases.helpers",),
    "util.nest": ("nest",),
    "util.tf_decorator": (":aliases.helpers",),
    "util.tf_export": (":aliases.helpers",),
    "util.tf_inspect": (":aliases.helpers",),
}


def _look_up(path: str) -> Any:
    """Returns the namespace of a path in `SOURCES`, or None while it is not there."""
    root = "graphopt.compat.v1"
    if path.startswith(":"):
        root, path = "graphopt", path[1:]
        if path and path.split(".")[0] in ("aliases", "autodiff", "compat", "ops"):
            return importlib.import_module(f"graphopt.{path}")
    found: Any = importlib.import_module(root)
    for part in path.split(".") if path else ():
        found = getattr(found, part, None)
        if found is None:
            return None
    return found


class InternalModule(ModuleType):
    """A module of `tensorflow.python`, whose names are looked up when asked for."""

    def __init__(self, prefix: str, path: str) -> None:
        super().__init__(f"{prefix}.{path}" if path else prefix)
        self.__dict__["_prefix"], self.__dict__["_below"] = prefix, path
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        below = f"{self._below}.{name}" if self._below else name
        if below in SOURCES:
            return load(self._prefix, below)
        if not name.startswith("__"):
            for source in SOURCES.get(self._below, ()):
                try:
                    return getattr(_look_up(source), name)
                except AttributeError:
                    continue
        raise AttributeError(
            f"module {self.__name__!r} has no attribute {name!r} in graphopt",
            name=name,
            obj=self,
        )

    def __dir__(self) -> list[str]:
        start = f"{self._below}." if self._below else ""
        names = {m[len(start) :].split(".")[0] for m in SOURCES if m.startswith(start)}
        for source in SOURCES.get(self._below, ()):
            names.update(n for n in dir(_look_up(source)) if not n.startswith("_"))
        return sorted(names)


def load(prefix: str, path: str) -> ModuleType:
    """Returns a module of `tensorflow.python`, which is made once.

    Args:
      prefix: What stands before it where it is imported, as `tensorflow.python`.
      path: The module below that; empty for `tensorflow.python` itself.
    """
    name = f"{prefix}.{path}" if path else prefix
    # While it is being imported, Python has a module of its own under the name.
    if not isinstance(sys.modules.get(name), InternalModule):
        sys.modules[name] = InternalModule(prefix, path)
    return sys.modules[name]
