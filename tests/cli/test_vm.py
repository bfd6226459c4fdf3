"""`sage vm`: commands, exit codes and messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitsage.cli.sage import app
from bitsage.obelysk import get_job_type, read_input

EXAMPLES = Path(__file__).parents[2] / "examples" / "vm"
COLLATZ = str(EXAMPLES / "collatz.asm")


def sage(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        app(["vm", *map(str, words)])
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def test_assemble_disassemble_and_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "collatz.bin"
    code, out, _ = sage(capsys, "asm", COLLATZ, "--out", file, "--json")
    assert (code, json.loads(out)["instructions"]) == (0, 24)
    code, text, _ = sage(capsys, "disasm", file)
    assert code == 0
    (tmp_path / "again.asm").write_text(text)
    code, out, _ = sage(capsys, "disasm", file, "--json")
    assert (code, json.loads(out)) == (0, {"instructions": 24, "assembly": text.splitlines()})
    for program in (COLLATZ, file, tmp_path / "again.asm"):
        code, out, _ = sage(capsys, "run", program, "--input", "27", "--json")
        assert (code, json.loads(out)) == (0, {"output": [111, 9232], "cycles": 953, "inputs_read": 1})


def test_the_trace_is_shown_a_line_a_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sage(capsys, "run", COLLATZ, "--input", "1", "--trace")
    lines = out.splitlines()
    assert code == 0
    assert "r1 = 1 from the input" in lines[0]
    assert "output 1" in out
    code, out, err = sage(capsys, "run", COLLATZ, "--input", "1", "--trace", "--json")
    assert json.loads(out)["output"] == [0, 1]
    assert len(err.splitlines()) == json.loads(out)["cycles"]


def test_prove_and_verify(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    proof = tmp_path / "collatz.proof"
    bound = ("--binding", "07" * 32)
    code, out, err = sage(capsys, "prove", COLLATZ, "--input", "6", "--out", proof, *bound, "--json")
    assert code == 0, err
    assert json.loads(out)["output"] == [8, 16]
    code, out, _ = sage(capsys, "verify", COLLATZ, proof, "--input", "6", *bound, "--json")
    verdict = json.loads(out)
    assert (code, verdict["accepted"], verdict["output"], verdict["security_bits"]) == (0, True, [8, 16], 96)
    assert sage(capsys, "verify", COLLATZ, proof, "--input", "6", *bound)[0] == 0
    others: list[tuple[object, ...]] = [
        (COLLATZ, proof, "--input", "7", *bound),
        (COLLATZ, proof, "--input", "6"),
        (COLLATZ, proof, *bound),
        (EXAMPLES / "fibonacci.asm", proof, "--input", "6", *bound),
        (COLLATZ, COLLATZ, "--input", "6", *bound),
        (COLLATZ, proof, "--input", "6", *bound, "--max-cycles", 10),
    ]
    for words in others:
        code, out, err = sage(capsys, "verify", *words)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_the_input_of_a_job_is_what_the_job_type_reads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    code, _, err = sage(capsys, "job", COLLATZ, "--input", "27", "--out", file)
    assert code == 0, err
    job = get_job_type("vm")
    assert job.run(read_input(job.input_schema, file.read_text())) == (111, 9232)


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("run", COLLATZ), 2, "input_trap"),
        (("run", COLLATZ, "--input", "27", "--max-cycles", "100"), 2, "input_trap"),
        (("run", COLLATZ, "--input", "27", "--max-cycles", "2000000"), 2, "bad_argument"),
        (("run", COLLATZ, "--input", "x"), 2, "bad_argument"),
        (("run", COLLATZ, "--input", "2147483647"), 2, "bad_argument"),
        (("run", COLLATZ, "--input", ",".join(["1"] * 3000)), 2, "input_words"),
        (("run", Path(__file__)), 2, "input_program"),
        (("run", "/nowhere/at/all"), 2, "file_error"),
        (("prove", COLLATZ, "--input", "1", "--out", "/nowhere/at/all"), 2, "file_error"),
        (("prove", COLLATZ, "--input", "1", "--out", "x", "--binding", "00"), 2, "bad_argument"),
        (("asm", Path(__file__), "--out", "x"), 2, "input_program"),
    ],
)
def test_bad_input_is_one_sentence_with_a_code(
    capsys: pytest.CaptureFixture[str], words: tuple[object, ...], code: int, name: str
) -> None:
    found, out, err = sage(capsys, *words)
    assert (found, out) == (code, "")
    assert err.endswith(f"[{name}]\n")
    assert err.count("\n") == 1


def test_prove_explains_its_memory(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("prove", COLLATZ, "--input", "6", "--explain", "--out")
    code, out, _ = sage(capsys, *words, tmp_path / "a", "--json")
    said = json.loads(out)
    assert code == 0
    assert said["plan"]["device"] == said["device"]
    assert said["plan"]["mode"] in (said["mode"], None)
    assert said["plan"]["streaming"]["peak"] < said["plan"]["resident"]["peak"]
    code, out, _ = sage(capsys, *words, tmp_path / "b")
    assert code == 0
    assert "needed to stream columns" in out
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
