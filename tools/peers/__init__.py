"""The same training steps in several frameworks, for `tools/compare_peers.py`."""
