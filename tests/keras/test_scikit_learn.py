"""Models as estimators of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf

sklearn = pytest.importorskip("sklearn")

keras = tf.keras
wrappers = keras.wrappers.scikit_learn
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
NAMES = np.array(["ant", "bee", "cow"])
CLASSES = NAMES[np.argmax(X[:, :3], axis=1)]


def classifier(units=3, loss="sparse_categorical_crossentropy", rate=0.1, metrics=True):
    keras.utils.set_random_seed(0)
    activation = "softmax" if units > 1 else "sigmoid"
    model = keras.Sequential(
        [keras.layers.Dense(units, activation=activation, input_shape=(4,))]
    )
    model.compile(keras.optimizers.Adam(rate), loss, ["accuracy"] if metrics else None)
    return model


def regressor(rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(4,))])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"]
)
def test_classes_have_names(loss):
    made = wrappers.KerasClassifier(classifier, loss=loss, epochs=30, verbose=0)
    history = made.fit(X, CLASSES)
    assert len(history.history["loss"]) == 30
    assert made.classes_.tolist() == ["ant", "bee", "cow"] and made.n_classes_ == 3
    predicted = made.predict(X)
    assert made.score(X, CLASSES) == pytest.approx((predicted == CLASSES).mean())
    assert made.score(X, CLASSES) > 0.9
    chances = made.predict_proba(X)
    np.testing.assert_allclose(chances.sum(1), 1.0, rtol=1e-5)


def test_two_classes_and_rows_of_classes():
    y = np.where(X[:, 0] > 0, "yes", "no")
    made = wrappers.KerasClassifier(
        classifier, units=1, loss="binary_crossentropy", epochs=30, verbose=0
    )
    made.fit(X, y)
    assert (made.predict(X) == y).mean() > 0.9
    assert made.predict_proba(X).shape == (60, 2)
    made = wrappers.KerasClassifier(
        classifier, loss="categorical_crossentropy", epochs=2, verbose=0
    )
    made.fit(X, np.eye(3)[np.searchsorted(NAMES, CLASSES)])
    assert set(made.predict(X)) <= {0, 1, 2}


def test_a_regressor_scores_minus_its_loss():
    y = X @ np.array([1.0, -2.0, 0.5, 0.0], np.float32)
    made = wrappers.KerasRegressor(model=regressor, epochs=60, verbose=0)
    made.fit(X, y, batch_size=10)
    assert made.predict(X).shape == (60,)
    assert made.score(X, y) == pytest.approx(-np.mean((made.predict(X) - y) ** 2), 1e-3)
    assert made.score(X, y) > -0.1


def test_a_subclass_may_build_the_model_itself():
    class Mine(wrappers.KerasRegressor):
        def __call__(self, rate):
            return regressor(rate)

    made = Mine(rate=0.2, epochs=1, verbose=0)
    made.fit(X, X[:, 0])
    assert float(made.model.optimizer.lr) == pytest.approx(0.2)


def test_searches_and_pipelines_of_scikit_learn():
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = wrappers.KerasClassifier(classifier, epochs=5, verbose=0)
    assert clone(made).get_params() == made.get_params()
    assert is_classifier(made)
    search = GridSearchCV(made, {"rate": [1e-6, 0.2]}, cv=2)
    search.fit(X, CLASSES)
    assert search.best_params_ == {"rate": 0.2}
    pipeline = make_pipeline(StandardScaler(), made)
    assert len(cross_val_score(pipeline, X, CLASSES, cv=2)) == 2


def test_mistakes():
    with pytest.raises(ValueError, match="learning_rate is not a legal parameter"):
        wrappers.KerasClassifier(classifier, learning_rate=3)
    made = wrappers.KerasClassifier(classifier, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="depth is not a legal"):
        made.set_params(depth=3)
    assert made.set_params(epochs=2).sk_params["epochs"] == 2
    with pytest.raises(ValueError, match="Invalid shape for y"):
        made.fit(X, np.zeros((60, 2, 2)))
    with pytest.raises(AttributeError, match="not fitted yet"):
        made.predict(X)
    made = wrappers.KerasClassifier(classifier, metrics=False, epochs=1, verbose=0)
    made.fit(X, CLASSES)
    with pytest.raises(ValueError, match="not configured to compute accuracy"):
        made.score(X, CLASSES)
