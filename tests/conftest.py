"""Fixtures that all tests use."""

from __future__ import annotations

import os

# No result may depend on what is in the user's folder; processes that tests start
# inherit this.
os.environ["GRAPHOPT_CACHE"] = "off"

import pytest

import graphopt.ops.every  # noqa: F401 (tests read the registry)
from graphopt.config import settings
from graphopt.graph import context
from graphopt.graph.dimension import enable_dimensions
from graphopt.keras import backend
from graphopt.rewrite import driver


@pytest.fixture(autouse=True)
def clean_state(monkeypatch):
    """Every test starts eager, without strict sessions, and verifies each pass."""
    monkeypatch.setattr(settings, "jit", None)
    monkeypatch.setattr(settings, "strict", False)
    monkeypatch.setattr(driver, "verify_after_each_pass", True)
    context.set_eager_by_default(True)
    enable_dimensions(False)
    yield
    context.set_eager_by_default(True)
    backend.clear_session()
    assert not context.modes.stack
    assert not context.modes.tapes
