"""Networks of `slim.nets`, small ones: values and names."""

from __future__ import annotations

import importlib

import numpy as np

from tests.compat.programs_contrib import namespace
from tests.compat.programs_layers import names, started
from tests.compat.programs_windows import numbers


def modules(v1):
    """Returns the modules vgg, resnet_v1, resnet_v2 and resnet_utils."""
    home = "graphopt.v1.contrib.slim" if "graphopt" in v1.__name__ else "tf_slim"
    parts = ("vgg", "resnet_v1", "resnet_v2", "resnet_utils")
    return [importlib.import_module(f"{home}.nets.{part}") for part in parts]


def record(v1):
    """Returns every result of the program, by name; `v1` is `tf.compat.v1`."""
    results = {}
    slim = namespace(v1)
    vgg, first, second, utils = modules(v1)
    for network in (vgg.vgg_a, vgg.vgg_16, first.resnet_v1_50, second.resnet_v2_50):
        with v1.Graph().as_default():
            x = v1.placeholder(v1.float32, [2, 224, 224, 3])
            resnet = "resnet" in network.__name__
            scope = utils.resnet_arg_scope if resnet else vgg.vgg_arg_scope
            with slim.arg_scope(scope()):
                logits, ends = network(x, 10, is_training=False)
            key = network.__name__
            results[key + "/names"] = names(v1.global_variables())
            shapes = [str(tuple(v.shape.as_list())) for v in v1.global_variables()]
            results[key + "/shapes"] = np.array(shapes)
            results[key + "/ends"] = np.array(sorted(ends))
            results[key + "/logits"] = np.array(str(logits.shape.as_list()))
            terms = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
            results[key + "/terms"] = np.array(len(terms))
    for version, module in ((1, first), (2, second)):
        block = getattr(module, f"resnet_v{version}_block")
        build = getattr(module, f"resnet_v{version}")
        for stride in (None, 8):
            key = f"small{version}{stride}"
            with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
                scope = utils.resnet_arg_scope(weight_decay=0.01)
                with (
                    slim.arg_scope(scope),
                    slim.arg_scope([slim.conv2d], weights_initializer=started(v1, 1)),
                ):
                    blocks = [block("one", 2, 2, 2), block("two", 3, 2, 2)]
                    logits, ends = build(
                        v1.constant(numbers(2, 17, 17, 3)),
                        blocks,
                        4,
                        False,
                        True,
                        stride,
                    )
                session.run(v1.global_variables_initializer())
                results[key] = session.run(logits)
                results[key + "/two"] = session.run(ends[f"resnet_v{version}/two"])
    return results
