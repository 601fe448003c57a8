"""Records what the programs of version 2 print on TensorFlow 2.21: python record_v2.py."""

import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
FOLDER = Path(__file__).parent


def main():
    path = FOLDER / "recorded_v2.json"
    recorded = json.loads(path.read_text()) if sys.argv[1:] else {}
    for script in sorted((FOLDER / "scripts_v2").glob("*.py")):
        if sys.argv[1:] and script.stem not in sys.argv[1:]:
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            runpy.run_path(str(script), run_name="__main__")
        recorded[script.stem] = out.getvalue().splitlines()
        sys.stderr.write(f"{script.stem}: {recorded[script.stem]}\n")
    path.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


main()
