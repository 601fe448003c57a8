"""`tf.resource_loader`: files that lie beside a program."""

from __future__ import annotations

import sys
from pathlib import Path


def get_data_files_path() -> str:
    """Returns the folder of the file that calls."""
    return str(Path(sys._getframe(1).f_code.co_filename).parent)


def get_path_to_datafile(path: str) -> str:
    """Returns the path of a file beside the one that calls."""
    return str(Path(sys._getframe(1).f_code.co_filename).parent / path)


get_root_dir_with_all_resources = get_data_files_path


def load_resource(path: str) -> bytes:
    """Returns what a file beside the one that calls holds."""
    return (Path(sys._getframe(1).f_code.co_filename).parent / path).read_bytes()


def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """Returns the path."""
    return path
