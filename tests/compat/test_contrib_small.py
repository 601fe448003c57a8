"""contrib.learn, contrib.eager and the projector."""

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def contrib():
    from graphopt.v1 import contrib as found

    v1.enable_v2_behavior()
    tf.config.strict_sessions(False)
    return found


def test_words_as_numbers(contrib, tmp_path):
    processor = contrib.learn.preprocessing.VocabularyProcessor(4, min_frequency=1)
    rows = list(processor.fit_transform(["a b a don't", "b c b"]))
    assert np.array(rows).tolist() == [[2, 1, 2, 0], [1, 0, 1, 0]]
    assert len(processor.vocabulary_) == 3
    assert list(processor.reverse(rows))[1] == "b <UNK> b <UNK>"
    processor.save(tmp_path / "words")
    again = contrib.learn.preprocessing.VocabularyProcessor.restore(tmp_path / "words")
    assert np.array(list(again.transform(["a x"]))).tolist() == [[2, 0, 0, 0]]
    with pytest.raises(AttributeError, match="Estimators"):
        _ = contrib.learn.Estimator
    with pytest.raises(NotImplementedError, match="mnist"):
        contrib.learn.datasets.load_dataset("iris")


def test_derivatives_of_functions(contrib):
    eager = contrib.eager
    assert eager.gradients_function(lambda x, y: x * x * y)(3.0, 2.0)[0].numpy() == 12
    value, slopes = eager.value_and_gradients_function(lambda x: x**3, [0])(2.0)
    assert value.numpy() == 8 and slopes[0].numpy() == 12
    w = eager.Variable(2.0)
    (pair,) = eager.implicit_gradients(lambda x: x * w)(5.0)
    assert pair[0].numpy() == 5 and pair[1] is w
    with pytest.raises(ValueError, match="No trainable variables"):
        eager.implicit_gradients(lambda x: x)(1.0)


def test_projector(contrib, tmp_path):
    projector = contrib.tensorboard.plugins.projector
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "w:0"
    embedding.sprite.single_image_dim.extend([8, 8])
    with v1.summary.FileWriter(tmp_path) as writer:
        projector.visualize_embeddings(writer, config)
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert text.splitlines()[:3] == [
        "embeddings {",
        '  tensor_name: "w:0"',
        "  sprite {",
    ]


def test_missing_parts_say_so(contrib):
    with pytest.raises(AttributeError, match="no TPUs"):
        _ = contrib.tpu
    with pytest.raises(AttributeError, match="Did you mean 'layers'"):
        _ = contrib.layer
