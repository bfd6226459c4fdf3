"""Finding a driver; and that nothing breaks where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bitsage.opencl import runtime
from bitsage.opencl.runtime import cache_folder, packaged_driver, prepare

LIST = "from bitsage.opencl import choose, discover; print(len(discover()), choose())"


def run(code: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in ("SAGE_DEVICE", "OCL_ICD_VENDORS")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_pyopencl_there_are_no_devices() -> None:
    assert run(f"import sys; sys.modules['pyopencl'] = None; {LIST}") == "0 None"


def test_without_any_driver_there_are_no_devices(tmp_path: Path) -> None:
    (tmp_path / "broken.icd").write_text("/nowhere/libnothing.so\n")
    assert run(LIST, OCL_ICD_VENDORS=str(tmp_path)) == "0 None"


def test_a_proof_is_made_without_any_driver(tmp_path: Path) -> None:
    code = "from bitsage.opencl import prove_with_fallback; print(prove_with_fallback(lambda b: b.name).device)"
    assert run(code, OCL_ICD_VENDORS=str(tmp_path)) == "numpy"


def test_the_packaged_driver_and_the_systems_are_listed(tmp_path, monkeypatch) -> None:
    if packaged_driver() is None:
        pytest.skip("Intel's CPU runtime from PyPI is not installed")
    system = tmp_path / "system"
    system.mkdir()
    (system / "other.icd").write_text("libother.so\n")
    monkeypatch.setattr(runtime, "_SYSTEM_DRIVERS", system)
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OCL_ICD_VENDORS", "")
    stale = cache_folder() / "vendors" / "gone.icd"
    stale.parent.mkdir(parents=True)
    stale.write_text("libgone.so\n")
    prepare()
    folder = Path(os.environ["OCL_ICD_VENDORS"])
    assert {file.name for file in folder.iterdir()} == {"bitsage-intel-cpu.icd", "other.icd"}
    assert Path((folder / "bitsage-intel-cpu.icd").read_text().strip()).is_file()


def test_a_list_that_the_user_chose_is_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    prepare()
    assert os.environ["OCL_ICD_VENDORS"] == str(tmp_path)


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path) -> None:
    if packaged_driver() is None:
        pytest.skip("Intel's CPU runtime from PyPI is not installed")
    (tmp_path / "file").write_text("in the way")
    assert int(run(LIST, SAGE_CACHE=str(tmp_path / "file")).split()[0]) >= 1


def test_naming_a_command_line_does_not_load_pyopencl() -> None:
    assert run("import sys, bitsage.cli.sage, bitsage.opencl; print('pyopencl' in sys.modules)") == "False"
