"""`TensorBoard`: logs, histograms and the graph of a training as event files."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.graph.context import entered
from graphopt.keras import backend
from graphopt.keras.callbacks.base import Callback, plain_logs
from graphopt.keras.messages import warn_user
from graphopt.runtime.variable import Variable

_IGNORED = ("write_grads", "embeddings_layer_names", "embeddings_data", "batch_size")


def _summary() -> Any:
    """`tf.summary`, which is loaded when a writer is made."""
    return importlib.import_module("graphopt.summary")


class TensorBoard(Callback):
    """Writes what TensorBoard shows: `tensorboard --logdir logs`.

    Curves are `epoch_loss` and the like in `train` and `validation` below the folder.
    What `tf.summary` writes while the model is trained goes there too, if `update_freq`
    is a number.

    Args:
      log_dir: The folder.
      histogram_freq: After how many epochs histograms of the weights are written; 0 for
        never.
      write_graph: Whether the model and the graph of its step are.
      write_images: Whether weights are written as images beside their histograms.
      write_steps_per_second: Whether the speed is written.
      update_freq: `"epoch"`, `"batch"`, or after how many batches logs are written.
      profile_batch: A batch, or the first and the last of some, whose graph is traced; 0
        for none.
      embeddings_freq: After how many epochs the weights of embeddings are.
      embeddings_metadata: A file of labels, or a dict from names of layers to such.
      **kwargs: Arguments of former versions, which do nothing.

    Source: `tf.keras.callbacks.TensorBoard`.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        unknown = set(kwargs) - set(_IGNORED)
        if unknown:
            raise ValueError(
                f"Unrecognized arguments in `TensorBoard` Callback: {unknown}. "
                f"Supported kwargs are: {set(_IGNORED)}"
            )
        for name in kwargs:
            warn_user(f"TensorBoard: `{name}` does nothing in version 2.")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq, self.write_graph = histogram_freq, write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._start_batch, self._stop_batch = _batches_to_trace(profile_batch)
        self._writers: dict[str, Any] = {}
        self._contexts: list[contextlib.ExitStack] = []
        # Variables, so that a `tf.summary` in a traced step reads them when it runs.
        self._train_step: Any = None
        self._test_step: Any = None
        self._batch_of_fit = 0
        self._is_tracing = False
        self._epoch_start = self._batch_start = 0.0
        self._step_of_epoch_start = 0

    @property
    def _follows_batches(self) -> bool:
        return self.update_freq != "epoch"

    def _implements_train_batch_hooks(self) -> bool:
        return (
            self._follows_batches or self._stop_batch > 0 or self.write_steps_per_second
        )

    def _implements_test_batch_hooks(self) -> bool:
        return self._follows_batches

    def set_model(self, model: Any) -> None:
        """Keeps the model and writes what it is made of."""
        super().set_model(model)
        if self._train_step is None:
            self._train_step, self._test_step = _counter("train"), _counter("test")
        if self.write_graph:
            self._write_model()
        if self.embeddings_freq:
            self._configure_embeddings()

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            folder = Path(self.log_dir) / name
            self._writers[name] = _summary().create_file_writer(folder)
        return self._writers[name]

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[Any]:
        summary = _summary()
        with self._writer(name).as_default(), summary.record_if(True):
            yield summary

    # ---- training

    def on_train_begin(self, logs: Any = None) -> None:
        """Makes the writer that of `tf.summary` inside of `fit`."""
        self._batch_of_fit = 0
        self._enter("train", self._train_step)

    def on_train_end(self, logs: Any = None) -> None:
        """Writes what is left; a step that was traced goes on to write to these files."""
        self._leave()
        if self._is_tracing:
            self._stop_trace()
        for writer in self._writers.values():
            writer.flush()

    def on_test_begin(self, logs: Any = None) -> None:
        """Makes the writer of the validation that of `tf.summary`."""
        self._enter("validation", self._test_step)

    def on_test_end(self, logs: Any = None) -> None:
        """Writes the logs of an evaluation."""
        optimizer = getattr(self.model, "optimizer", None)
        if getattr(optimizer, "iterations", None) is not None:
            step = self._iterations()
            with self._writing("validation") as summary:
                for name, value in plain_logs(logs).items():
                    summary.scalar(f"evaluation_{name}_vs_iterations", value, step=step)
        self._leave()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begins to trace, if it is time."""
        self._batch_of_fit += 1
        self._batch_start = time.perf_counter()
        if self._batch_of_fit == self._start_batch:
            _summary().trace_on(graph=True, profiler=False)
            self._is_tracing = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the logs of the batch, if it is time."""
        step = _add_one(self._train_step)
        if self._follows_batches and step % self.update_freq == 0:
            with self._writing("train") as summary:
                for name, value in plain_logs(logs).items():
                    summary.scalar(f"batch_{name}", value, step=step)
                if self.write_steps_per_second:
                    seconds = time.perf_counter() - self._batch_start
                    rate = 1.0 / seconds
                    summary.scalar("batch_steps_per_second", rate, step=step)
        if self._is_tracing and self._batch_of_fit >= self._stop_batch:
            self._stop_trace()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the batches."""
        _add_one(self._test_step)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the time."""
        self._epoch_start = time.perf_counter()
        self._step_of_epoch_start = self._iterations()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the logs, and the histograms if it is time."""
        self._write_graph_of_step()
        self._write_epoch(epoch, plain_logs(logs))
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)

    def _enter(self, name: str, step: Any) -> None:
        if not self._follows_batches:
            return
        summary, stack = _summary(), contextlib.ExitStack()
        stack.enter_context(self._writer(name).as_default(step=step))

        def is_due() -> bool:
            with entered(None):
                return int(step.numpy()) % int(self.update_freq) == 0

        stack.enter_context(summary.record_if(is_due))
        self._contexts.append(stack)

    def _leave(self) -> None:
        if self._contexts:
            self._contexts.pop().close()

    def _stop_trace(self) -> None:
        with self._writing("train") as summary:
            summary.trace_export(
                name=f"batch_{self._stop_batch}", step=self._stop_batch
            )
        self._is_tracing = False

    def _iterations(self) -> int:
        optimizer = getattr(self.model, "optimizer", None)
        iterations = getattr(optimizer, "iterations", None)
        return 0 if iterations is None else int(backend.get_value(iterations))

    # ---- what is written

    def _write_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        train = {k: v for k, v in logs.items() if not k.startswith("val_")}
        test = {k[4:]: v for k, v in logs.items() if k.startswith("val_")}
        if train:
            rate = getattr(getattr(self.model, "optimizer", None), "lr", None)
            if callable(rate) and not hasattr(rate, "assign"):
                train["learning_rate"] = float(rate(self.model.optimizer.iterations))
            if self.write_steps_per_second:
                steps = self._iterations() - self._step_of_epoch_start
                seconds = time.perf_counter() - self._epoch_start
                train["steps_per_second"] = steps / seconds
        for name, values in (("train", train), ("validation", test)):
            if values:
                with self._writing(name) as summary:
                    for key, value in values.items():
                        summary.scalar(f"epoch_{key}", value, step=epoch)

    def _write_model(self) -> None:
        """Writes the model for TensorBoard's conceptual graph, if it has a config."""
        try:
            text = self.model.to_json()
        except (AttributeError, NotImplementedError, TypeError):
            return
        messages = importlib.import_module("graphopt.files.messages")
        plugin = messages.PluginData(plugin_name="graph_keras_model", content=b"1")
        metadata = messages.SummaryMetadata(plugin_data=plugin)
        with self._writing("train") as summary:
            summary.write("keras", np.array(text.encode()), step=0, metadata=metadata)

    def _write_graph_of_step(self) -> None:
        step = getattr(self.model, "train_tf_function", None)
        graph = getattr(step, "graph", None)
        if self.write_graph and graph is not None:
            with self._writing("train") as summary:
                summary.graph(graph)
            self.write_graph = False

    def _write_weights(self, epoch: int) -> None:
        with self._writing("train") as summary:
            for weight in self.model.weights:
                name = weight.name.replace(":", "_")
                summary.histogram(f"{name}/histogram", weight, step=epoch)
                image = weight_image(weight.numpy()) if self.write_images else None
                if image is not None:
                    summary.image(f"{name}/image", image, step=epoch)
            self._writer("train").flush()

    def _embeddings(self) -> list[Any]:
        return [
            layer for layer in self.model.layers if type(layer).__name__ == "Embedding"
        ]

    def _configure_embeddings(self) -> None:
        """Writes which files TensorBoard's projector reads."""
        metadata, lines = self.embeddings_metadata, []
        names = [layer.name for layer in self._embeddings()]
        if isinstance(metadata, dict) and set(metadata) - set(names):
            raise ValueError(
                "Unrecognized `Embedding` layer names passed to `TensorBoard` "
                f"`embeddings_metadata`: {sorted(set(metadata) - set(names))}; expected "
                f"some of {names}."
            )
        for name in names:
            lines += ["embeddings {", f'  tensor_name: "{name}"']
            lines.append(f'  tensor_path: "train/{name}.tsv"')
            path = metadata.get(name) if isinstance(metadata, dict) else metadata
            if path is not None:
                lines.append(f'  metadata_path: "{path}"')
            lines.append("}")
        folder = Path(self.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "projector_config.pbtxt").write_text("\n".join([*lines, ""]))

    def _write_embeddings(self, epoch: int) -> None:
        folder = Path(self.log_dir) / "train"
        folder.mkdir(parents=True, exist_ok=True)
        for layer in self._embeddings():
            values = layer.get_weights()[0]
            np.savetxt(folder / f"{layer.name}.tsv", values, "%.7g", delimiter="\t")


def _counter(name: str) -> Variable:
    """An eager variable, whatever mode the program is in."""
    with entered(None):
        return Variable(np.int64(0), trainable=False, name=f"{name}_counter")


def _add_one(counter: Variable) -> int:
    with entered(None):
        counter.assign_add(1)
        return int(counter.numpy())


def _batches_to_trace(profile_batch: Any) -> tuple[int, int]:
    batches = profile_batch
    with contextlib.suppress(ValueError):
        if isinstance(batches, str):
            parts = [int(part) for part in batches.split(",")]
            batches = parts[0] if len(parts) == 1 else parts
    if isinstance(batches, int):
        batches = (batches, batches)
    right = isinstance(batches, (tuple, list)) and len(batches) == 2
    if not right or not 0 <= batches[0] <= batches[1]:
        raise ValueError(
            "profile_batch must be a non-negative integer or 2-tuple of positive "
            "integers. A pair of positive integers signifies a range of batches to "
            f"profile. Found: {profile_batch}"
        )
    return batches[0], batches[1]


def weight_image(values: Any) -> Any:
    """Returns a weight as images [count, height, width, channels], or None."""
    image = np.squeeze(values)
    if image.ndim == 1:
        image = image.reshape(1, -1, 1, 1)
    elif image.ndim == 2:
        image = image.T if image.shape[0] > image.shape[1] else image
        image = image[None, :, :, None]
    elif image.ndim == 3:
        image = np.transpose(image, [2, 0, 1])[..., None]
    is_image = image.ndim == 4 and image.shape[-1] in (1, 3, 4)
    return image if is_image else None
