"""Runs of random programs satisfy the AIR, and their proofs say what the machine says."""

from __future__ import annotations

import random

import pytest
from vm_forgery import Claim, Judge, proof_is_accepted, seeded

from bitsage.obelysk.vm import Instruction, Op, Program, run
from bitsage.obelysk.vm.isa import OPERANDS
from bitsage.stark import P

_EDGES = [0, 1, 2, 255, 256, 65535, 65536, (P - 1) // 2, (P + 1) // 2, P - 2, P - 1]
_JUMPS = (Op.JMP, Op.JZ, Op.JNZ, Op.CALL)
_BASE = 29  # holds an address, and is never written again
_DIVISOR = 28  # holds no zero


def word(chance: random.Random) -> int:
    return chance.choice([*_EDGES, chance.randrange(P), 1 << chance.randrange(31)]) % P


def random_program(chance: random.Random, length: int) -> Program:
    """Ends, since jumps go forward only; any register but two is written, r0 included."""
    made = [
        Instruction(Op.LOADI, rd=_BASE, imm=chance.randrange(60_000)),
        Instruction(Op.LOADI, rd=_DIVISOR, imm=1 + chance.randrange(P - 1)),
        *(Instruction(Op.LOADI, rd=k, imm=word(chance)) for k in range(1, 5)),
    ]
    for at in range(len(made), length):
        op = chance.choice([op for op in Op if op not in (Op.HALT, Op.RET)])
        values = {name: chance.randrange(9) for name in OPERANDS[op] if name != "imm"}
        if op in _JUMPS:
            values["imm"] = min(at + 1 + chance.randrange(4), length)
        elif op in (Op.LOAD, Op.STORE):
            values |= {"rs1": _BASE, "imm": chance.choice([chance.randrange(6), P - 1 - chance.randrange(3)])}
        elif op is Op.LOADI:
            values["imm"] = word(chance)
        elif op is Op.DIV:
            values["rs2"] = _DIVISOR
        made.append(Instruction(op, **values))
    return Program((*made, Instruction(Op.HALT)))


@pytest.mark.parametrize("length", [7, 20, 60, 120, 250])
def test_runs_satisfy_the_air(length: int) -> None:
    chance = seeded()
    for _ in range(6):
        tried = random_program(chance, length)
        claim = Claim(run(tried, [word(chance) for _ in range(length)]))
        assert Judge(claim, chance.randrange(2**32)).objection(claim.trace, known=False) is None, tried


def test_a_proof_of_a_random_program_is_accepted() -> None:
    chance = seeded()
    tried = random_program(chance, 700)
    assert proof_is_accepted(Claim(run(tried, [word(chance) for _ in range(700)])))
