"""Runs the demo and the contract tests on 64-bit ARM, emulated, on any Linux machine.

sudo apt-get install debootstrap qemu-user-static
sudo python3 tools/run_on_arm64.py FOLDER                      both, in half an hour
sudo python3 tools/run_on_arm64.py FOLDER -m pytest tests/ops  anything else

FOLDER becomes a small Debian for ARM with Python and this project's packages, 0.8 GB, and is
used again. Nothing is installed on the machine itself, and its kernel need not know how to
start programs for ARM: one Python process runs in the emulator. So tests that start
processes fail here; those of ops, kernels and results do not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The oldest system whose Python is new enough.
SUITE, VERSION = "bookworm", "3.11"
PACKAGES = (
    *("numpy", "numba", "networkx", "safetensors", "rich"),
    *("pytest", "pytest-timeout", "hypothesis", "scikit-learn"),
)
# Names of the C libraries that wheels were built for.
PLATFORMS = (
    "manylinux2014_aarch64",
    *(f"manylinux_2_{n}_aarch64" for n in (17, 27, 28)),
)


def find(*names: str) -> str:
    """Returns the path of a program, by the first of its names that is installed."""
    for name in names:
        if path := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            return path
    sys.exit(f"{names[0]} is missing: apt-get install debootstrap qemu-user-static")


def run(*command: str | Path) -> None:
    """Runs a command; its failure ends this program."""
    print("+", *command, flush=True)
    code = subprocess.run([str(part) for part in command], check=False).returncode
    if code:
        sys.exit(code)


def unpack_system(system: Path) -> None:
    """Downloads Debian's packages for ARM and unpacks them; none of their code runs."""
    shutil.rmtree(system, ignore_errors=True)
    options = ["--arch=arm64", "--foreign", "--variant=minbase", "--include=python3"]
    run(find("debootstrap"), *options, SUITE, system)
    for package in sorted((system / "var/cache/apt/archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(system)], check=True)


def download_wheels(folder: Path) -> None:
    """Unpacks the wheels for ARM of what the tests need."""
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--target", folder, "--only-binary=:all:", "--implementation", "cp"]
    options += ["--python-version", VERSION]
    for platform in PLATFORMS:
        options += ["--platform", platform]
    run(sys.executable, "-m", "pip", "install", "-q", *options, *PACKAGES)


def main() -> None:
    """Prepares what is missing and runs what the command line asks for."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    emulator = find("qemu-aarch64-static", "qemu-aarch64")
    system, packages = folder / "system", folder / "packages"
    python = system / "usr/bin" / f"python{VERSION}"
    # Written last, so that a download which was cut off is begun anew.
    ready = folder / "ready"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unpack_system(system)
        download_wheels(packages)
        ready.touch()
    environment = {
        "PYTHONPATH": f"{ROOT}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRAPHOPT_CACHE": "off",
    }
    command = [emulator, "-L", system]
    for name, value in environment.items():
        command += ["-E", f"{name}={value}"]
    os.chdir(ROOT)
    if len(sys.argv) > 2:
        run(*command, python, *sys.argv[2:])
        return
    run(*command, python, "-m", "graphopt", "doctor")
    run(*command, python, "examples/digits_graph.py")
    pytest = ["-m", "pytest", "-p", "no:cacheprovider", "--timeout=3000"]
    run(*command, python, *pytest, "tests/contract", "tests/ops/test_truncation.py")


if __name__ == "__main__":
    main()
