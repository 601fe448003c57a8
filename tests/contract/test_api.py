"""The public API is what it was, or was changed on purpose."""

from __future__ import annotations

import difflib
import subprocess
import sys

from tests.golden.record_api import PATH

RECORD = "python -m tests.golden.record_api"
# In a process of its own: what tests load and patch is no part of the API.
PRINT = "from tests.golden.record_api import describe_api; print(*describe_api(), sep='\\n')"


def test_public_names_and_signatures_are_as_recorded():
    run = subprocess.run(
        [sys.executable, "-c", PRINT], capture_output=True, text=True, check=True
    )
    recorded, found = PATH.read_text().splitlines(), run.stdout.splitlines()
    difference = list(difflib.unified_diff(recorded, found, "recorded", "now", n=0))
    assert not difference, (
        f"The public API has changed. If that is meant, `{RECORD}`, and say so in "
        "CHANGELOG.md:\n" + "\n".join(difference[:60])
    )
