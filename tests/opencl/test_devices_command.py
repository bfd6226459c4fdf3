"""`sage devices`, the self-test behind it, and the sizes that it keeps."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bitsage.cli.sage import app
from bitsage.opencl import selftest, tune, tuning
from bitsage.opencl.device import Device, DeviceInfo, open_device
from bitsage.opencl.errors import DeviceLost
from bitsage.opencl.tuning import FftSizes, HashSizes, defaults, keep, sizes_of, tuned


def devices(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["devices", *words])
    return result.exit_code, result.stdout


def test_every_device_is_listed_and_agrees_with_numpy(info: DeviceInfo, monkeypatch) -> None:
    monkeypatch.delenv("SAGE_DEVICE", raising=False)
    code, text = devices("--json", "--device", str(info.index))
    assert code == 0
    (entry,) = json.loads(text)["devices"]
    assert (entry["name"], entry["driver"], entry["memory"]) == (info.name, info.driver, info.memory)
    assert entry["ok"]
    assert [check["equal"] for check in entry["checks"]] == [True] * 4
    assert all(check["device_ms"] > 0 and check["numpy_ms"] > 0 for check in entry["checks"])


def test_the_table_names_the_chosen_device(info: DeviceInfo, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_DEVICE", str(info.index))
    code, text = devices("--no-test")
    assert code == 0
    assert info.name in text
    assert f"on device {info.index}" in text
    monkeypatch.setenv("SAGE_DEVICE", "numpy")
    assert "made with NumPy" in devices("--no-test")[1]


def test_a_device_that_computes_something_else_is_found_out(info: DeviceInfo, monkeypatch) -> None:
    monkeypatch.setattr("bitsage.opencl.backend.grind", lambda device, digest, bits: 12345)
    code, text = devices("--json", "--device", str(info.index))
    assert code == 1
    checks = {check["check"]: check["equal"] for check in json.loads(text)["devices"][0]["checks"]}
    assert not checks["proof of work, 16 bits"]
    assert checks["FFT: 8 columns, 2^15 to 2^17"]


def test_a_device_that_fails_is_a_finding(info: DeviceInfo, monkeypatch) -> None:
    def lost(*_: object) -> None:
        raise DeviceLost("the device does not work any more")

    monkeypatch.setattr(selftest, "_extended", lost)
    code, text = devices("--json", "--device", str(info.index))
    assert code == 1
    assert json.loads(text)["devices"][0]["error"]["code"] == "device_lost"


def test_the_fastest_sizes_are_kept_for_the_next_process(info: DeviceInfo, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path))
    monkeypatch.setattr(tune, "_LOG_SIZE", 14)
    monkeypatch.setattr(tune, "_COLUMNS", 2)
    monkeypatch.setattr(tune, "_RUNS", 1)
    device = Device(info)
    said: list[str] = []
    sizes = tune.tune(device, lambda words, milliseconds: said.append(words))
    assert any(words.startswith("fft: ") for words in said)
    assert any(words.startswith("hash: ") for words in said)
    keep(device, sizes)
    assert sizes_of(Device(info)) == tuned(device) == sizes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"fft": {}, "hash": {}}',
        json.dumps({"fft": {"lanes": 16}, "hash": {"lanes": 16, "group": 1, "block_log": 10}}),
    ],
)
def test_a_damaged_file_of_sizes_counts_as_none(info: DeviceInfo, tmp_path, monkeypatch, text: str) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path))
    device = Device(info)
    keep(device, defaults(device)).write_text(text)
    assert tuned(device) is None
    assert sizes_of(Device(info)) == defaults(device)


def test_sizes_that_do_not_fit_the_device_are_not_used(info: DeviceInfo, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path))
    device = open_device(info)
    good = defaults(device)
    assert good.fit(device)
    local = (info.max_local // 4).bit_length()
    for fft in (
        replace(good.fft, tile_log=local),
        replace(good.fft, low_log=5),
        replace(good.fft, group=info.max_group + 1),
        replace(good.fft, lanes=good.fft.lanes * 2),
        FftSizes(good.fft.lanes, 1, 9, 8, 6, 1),
    ):
        assert not replace(good, fft=fft).fit(device)
    assert not replace(good, hash=HashSizes(good.hash.lanes, 1, 2 if good.hash.lanes > 4 else 21)).fit(device)
    assert tuning.tuned(device) is None
