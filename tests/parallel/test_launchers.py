"""Whose MPI it is, and what its launcher is told; no MPI is needed."""

from __future__ import annotations

import sys

import pytest

from graphopt.cli import main
from graphopt.commands.launch import _Splitter
from graphopt.parallel import launchers
from graphopt.parallel.launchers import (
    MPIEXEC,
    Host,
    Implementation,
    Launcher,
    LauncherError,
    Library,
    find_launcher,
    identify,
    read_hosts,
)
from graphopt.parallel.reports import MARK, Began, Ended, read_report

VERSIONS = {
    "mpiexec (Open MPI) 5.0.11": Implementation.OPEN_MPI,
    "mpirun (Open MPI) 4.1.4": Implementation.OPEN_MPI,
    "prterun (PRRTE) 3.0.13": Implementation.OPEN_MPI,
    "HYDRA build details:\n    Version:    5.0.2\n": Implementation.MPICH,
    "MPICH Version:      5.0.2\n": Implementation.MPICH,
    "Intel(R) MPI Library for Linux* OS, Version 2021.19": Implementation.INTEL,
    "slurm 23.02": None,
}


def make_launcher(implementation, version="", mpiexec="/opt/mpi/bin/mpiexec"):
    return Launcher(Library(implementation, "", "", "4.1.2"), mpiexec, version)


@pytest.mark.parametrize("text", VERSIONS)
def test_implementations_are_told_apart(text):
    assert identify(text) is VERSIONS[text]


def test_hosts():
    assert read_hosts("a:2, user@b.example:3,c") == [
        Host("a", 2),
        Host("user@b.example", 3),
        Host("c", 1),
    ]
    for text in ("", "a:", "a:0", "a:x", ":2", "a,,b", "-oProxyCommand=x:2", "a b:1"):
        with pytest.raises(ValueError):
            read_hosts(text)


def test_options_of_open_mpi():
    old = make_launcher(Implementation.OPEN_MPI, "mpirun (Open MPI) 4.1.4")
    new = make_launcher(Implementation.OPEN_MPI, "mpiexec (Open MPI) 5.0.11")
    assert "--tag-output" in old.command(2, ["x"])
    words = new.command(
        3,
        ["python", "x"],
        hosts=[Host("a", 2), Host("b", 1)],
        environment={
            "DATA": "1",
            "PATH": "",
            "HOME": "/root",
            "SSH_TTY": "",
            "a b": "",
        },
    )
    assert words[-4:] == ["-n", "3", "python", "x"]
    text = " ".join(words)
    assert "--output tag" in text and "--bind-to none" in text
    assert "--map-by :oversubscribe" in text
    assert "--host a:2,b:1 -x DATA -x PATH -n 3" in text


def test_environment_of_open_mpi(monkeypatch):
    launcher = make_launcher(Implementation.OPEN_MPI, "mpiexec (Open MPI) 5.0.11")
    monkeypatch.setattr(launchers, "has_infiniband", lambda: False)
    monkeypatch.setattr(launchers, "_parameters_of_user", lambda: {"osc"})
    found = launcher.environment({"OMPI_MCA_btl": "tcp,self"}, crowded=True)
    # What the user says stands.
    assert found["OMPI_MCA_btl"] == "tcp,self" and "OMPI_MCA_osc" not in found
    assert found["OMPI_MCA_mpi_yield_when_idle"] == "1"
    monkeypatch.setattr(launchers, "has_infiniband", lambda: True)
    found = launcher.environment({}, crowded=False)
    assert not {"OMPI_MCA_btl", "OMPI_MCA_mpi_yield_when_idle"} & set(found)


def test_options_of_hydra():
    for implementation in (Implementation.MPICH, Implementation.INTEL):
        launcher = make_launcher(implementation)
        words = launcher.command(2, ["x"], hosts=[Host("a", 2)], environment={"A": ""})
        assert words[1:3] == ["-prepend-pattern", "\x02%r\x03"]
        assert words[3:] == ["-hosts", "a:2", "-n", "2", "x"]
    found = launcher.environment({}, crowded=False)
    assert found["I_MPI_PIN"] == "0"


@pytest.mark.parametrize(
    ("implementation", "stream", "lines"),
    [
        (
            Implementation.OPEN_MPI,
            b"[7,0]<stdout>: one\nwarning\n[7,1]<stdout>:  two\n[7,0]<stdout>: three",
            [(0, b"one\n"), (None, b"warning\n"), (1, b" two\n"), (0, b"three\n")],
        ),
        (
            Implementation.MPICH,
            b"\x021\x03half\x020\x03other\x021\x03 rest\n\x020\x03 end\n\n\x021\x03\n",
            [(1, b"half rest\n"), (0, b"other end\n"), (None, b"\n"), (1, b"\n")],
        ),
    ],
)
def test_lines_are_put_together(implementation, stream, lines):
    tag = make_launcher(implementation, "mpiexec (Open MPI) 5.0.11").tag
    for size in (1, 2, 3, 7, 1000):
        splitter, found = _Splitter(tag), []
        for start in range(0, len(stream), size):
            found += splitter.split(stream[start : start + size])
        assert [*found, *splitter.rest()] == lines


def test_reports():
    assert read_report(MARK + b"w began 1 12 host\n", "w") == Began(1, 12, "host")
    assert read_report(MARK + b"w ended 1 0 \n", "w") == Ended(1, 0)
    assert read_report(MARK + b"w ended 0 -9 OSError\n", "w") == Ended(0, -9, "OSError")
    for line in (b"v ended 0 0", b"w ended 0", b"w ended x 0", b"w began x 1 y", b"w"):
        assert read_report(MARK + line, "w") is None
    assert read_report(b"w ended 0 0", "w") is None


def test_without_mpi_it_says_what_to_install(monkeypatch, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    missing = "raise ModuleNotFoundError(\"No module named 'mpi4py'\")"
    monkeypatch.setattr(launchers, "_ASK_MPI4PY", missing)
    assert main(["run", "-n", "2", str(script)]) == 2
    error = capsys.readouterr().err
    assert 'pip install "graphopt[mpi]"' in error and "mpi4py is not installed" in error
    monkeypatch.setattr(launchers, "_ASK_MPI4PY", "raise RuntimeError('no libmpi')")
    assert main(["run", "-n", "2", str(script)]) == 2
    assert "no libmpi" in capsys.readouterr().err


def fake_library(monkeypatch, tmp_path, version, printed):
    """Has mpi4py load a library, beside an mpiexec that prints a version."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    file = tmp_path / "bin" / "mpiexec"
    file.write_text(f"#!/bin/sh\necho '{printed}'\n")
    file.chmod(0o755)
    library = Library(
        identify(version), version, str(tmp_path / "lib" / "libmpi.so"), "4.1.2"
    )
    monkeypatch.setattr(launchers, "find_library", lambda: library)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    monkeypatch.delenv(MPIEXEC, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    return str(file)


def test_the_library_decides_which_launcher(monkeypatch, tmp_path):
    file = fake_library(
        monkeypatch, tmp_path, "Open MPI v5.0.11", "mpiexec (Open MPI) 5.0.11"
    )
    assert find_launcher().mpiexec == file
    assert not find_launcher().survives_failures
    monkeypatch.setenv(MPIEXEC, "/nowhere/mpiexec")
    with pytest.raises(LauncherError, match="cannot be run"):
        find_launcher()


def test_a_launcher_of_another_mpi_is_refused(monkeypatch, tmp_path):
    file = fake_library(monkeypatch, tmp_path, "MPICH 5.0", "mpiexec (Open MPI) 5.0.11")
    with pytest.raises(LauncherError, match=f"{file} is not of MPICH"):
        find_launcher()
    monkeypatch.setenv(MPIEXEC, file)
    with pytest.raises(LauncherError, match="each rank would be alone"):
        find_launcher()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "0"], "from 1 on"),
        (["--hosts", "a:b"], "a:2,b:2"),
        (["--restarts", "2"], "-n says how many"),
        (["-n", "2", "--only-rank", "2"], "0 to 1"),
    ],
)
def test_options_that_do_not_fit(arguments, words, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    assert main(["run", *arguments, str(script)]) == 2
    assert words in capsys.readouterr().err


def test_a_script_that_is_not_there(capsys):
    assert main(["run", "-n", "2", "nothing.py"]) == 3
    assert "nothing.py" in capsys.readouterr().err
