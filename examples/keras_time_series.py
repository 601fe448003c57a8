"""A forecast with `fit`: a GRU learns the next value of a series from the last 24.

    python examples/keras_time_series.py [--epochs 15] [--picture forecast.png]

The series is made here: two periods, a trend and noise. Needs matplotlib for the picture
(`pip install 'graphopt[plot]'`).
"""

import argparse

import numpy as np

import graphopt as tf

layers = tf.keras.layers
WINDOW = 24


def make_series(count=1500):
    """Returns a series with two periods, a slow trend and noise, of mean 0 and scale 1."""
    t = np.arange(count)
    noise = np.random.default_rng(0).normal(0, 0.15, count)
    series = np.sin(t * 2 * np.pi / 12) + 0.6 * np.sin(t * 2 * np.pi / 51) + noise
    series += 0.3 * np.sin(t / 300)
    return ((series - series.mean()) / series.std()).astype("float32")


def make_windows(series, shuffle):
    """Returns batches of windows and of the values that follow them."""
    return tf.keras.utils.timeseries_dataset_from_array(
        series[:-WINDOW, None],
        series[WINDOW:],
        sequence_length=WINDOW,
        batch_size=32,
        shuffle=shuffle,
        seed=1,
    )


def draw_forecast(history, series, forecast, path):
    """Draws the learning curve, and the forecast beside the series."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
    left.semilogy(history["loss"], label="training")
    left.semilogy(history["val_loss"], label="validation")
    left.set(xlabel="epoch", title="mean squared error")
    right.plot(series[-100:], label="series")
    right.plot(forecast[-100:], label="forecast, a step ahead")
    right.set(xlabel="time", title="the last 100 values")
    right.margins(y=0.3)
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)
    print(f"learning curve and forecast in {path}")


def main():
    """Trains, and compares the error with that of saying that nothing changes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--picture", default="")
    options = parser.parse_args()
    tf.keras.utils.set_random_seed(1)
    series = make_series()
    train, rest = series[:1200], series[1200 - WINDOW :]
    model = tf.keras.Sequential(
        [layers.GRU(24, input_shape=(WINDOW, 1)), layers.Dense(1)]
    )
    model.compile(tf.keras.optimizers.Adam(0.003), "mse", metrics=["mae"])
    history = model.fit(
        make_windows(train, shuffle=True),
        epochs=options.epochs,
        validation_data=make_windows(rest, shuffle=False),
        verbose=2,
    )
    forecast = model.predict(make_windows(rest, shuffle=False), verbose=0)[:, 0]
    truth = rest[WINDOW:][: len(forecast)]
    before = rest[WINDOW - 1 :][: len(forecast)]
    error = float(np.mean((forecast - truth) ** 2))
    naive = float(np.mean((before - truth) ** 2))
    print(f"mean squared error: {error:.3f}, of the value before: {naive:.3f}")
    if options.picture:
        draw_forecast(history.history, truth, forecast, options.picture)


if __name__ == "__main__":
    main()
