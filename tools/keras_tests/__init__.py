"""The shim through which unit tests of tf_keras are read: see `tools/run_keras_tests.py`."""
