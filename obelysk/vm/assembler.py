"""The assembler.

One instruction, label or constant a line; `;` and `#` begin a comment; letter case does not matter for
mnemonics and registers.

    .const N 10            ; a constant; values are integers, 0x.., 'c', constants and labels, with + - * and ( )
    start:                 ; a label: the index of the next instruction
        loadi r1, N * 2
        load  r2, [r1+3]   ; address operands: [r1], [r1+e], [r1-e], [e]
        store r2, [r1]
        jnz   r1, start
        call  routine      ; the return address goes to r31; `call r5, routine` names another register
        ret                ; through r31; `ret r5`
        halt

Registers are r0..r31; `zero` is r0, `sp` is r30, `ra` is r31.  `mov rd, rs` and `nop` are written with ADD.
Immediates are field elements: -1 is p - 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bitsage.stark import P

from .errors import ProgramInvalid
from .isa import LINK_REGISTER, MAX_PROGRAM, OPERANDS, REGISTERS, Instruction, Op, Program

MAX_TEXT = 1 << 20
_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*")
_TOKEN = re.compile(r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)|('(?:[^'\\]|\\.)')|([A-Za-z_.][A-Za-z0-9_.]*)|([-+*()]))")
_REGISTER_NAMES = {"zero": 0, "sp": 30, "ra": LINK_REGISTER} | {f"r{k}": k for k in range(REGISTERS)}
_ADDRESS = re.compile(r"\[\s*([A-Za-z0-9_]+)?\s*(.*?)\s*\]")
_COMMA = re.compile(r",(?!')")  # not the comma of ','
_MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    mnemonic: str
    operands: tuple[str, ...]


def assemble(text: str) -> Program:
    """The program of an assembly text.  Raises ProgramInvalid, naming the line."""
    if len(text) > MAX_TEXT:
        raise ProgramInvalid(f"the assembly text is longer than {MAX_TEXT} characters")
    symbols: dict[str, int] = {}
    lines: list[_Line] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        rest = _without_comment(raw).strip()
        while match := re.match(r"([A-Za-z_][A-Za-z0-9_.]*)\s*:\s*", rest):
            _define(symbols, match[1], len(lines), number)
            rest = rest[match.end() :]
        if not rest:
            continue
        word, _, tail = rest.partition(" ")
        if word.lower() == ".const":
            _constant(symbols, tail, number)
            continue
        if len(lines) == MAX_PROGRAM:
            raise ProgramInvalid(f"more than {MAX_PROGRAM} instructions", number)
        operands = tuple(part.strip() for part in _COMMA.split(tail)) if tail.strip() else ()
        lines.append(_Line(number, word.upper(), operands))
    return Program(tuple(_instruction(line, symbols) for line in lines))


def _without_comment(line: str) -> str:
    match = re.match(r"(?:'(?:[^'\\]|\\.)'|[^;#'])*", line)
    return match[0] if match else ""


def _define(symbols: dict[str, int], name: str, value: int, line: int) -> None:
    if name in symbols:
        raise ProgramInvalid(f"{name!r} is defined twice", line)
    if name.lower() in _REGISTER_NAMES:
        raise ProgramInvalid(f"{name!r} is the name of a register", line)
    symbols[name] = value


def _constant(symbols: dict[str, int], tail: str, line: int) -> None:
    name, _, value = tail.strip().partition(" ")
    if not _NAME.fullmatch(name) or not value.strip():
        raise ProgramInvalid("a constant is written .const NAME VALUE", line)
    _define(symbols, name, _evaluate(value, symbols, line), line)


def _instruction(line: _Line, symbols: Mapping[str, int]) -> Instruction:
    name, operands = line.mnemonic, line.operands
    if name == "NOP" and not operands:
        return Instruction(Op.ADD)
    if name == "MOV" and len(operands) == 2:
        name, operands = "ADD", (*operands, "r0")
    try:
        op = Op[name]
    except KeyError:
        raise ProgramInvalid(f"{line.mnemonic[:40]!r} is no instruction", line.number) from None
    if (op is Op.CALL and len(operands) == 1) or (op is Op.RET and not operands):
        operands = (f"r{LINK_REGISTER}", *operands)
    wanted = OPERANDS[op]
    if op in (Op.LOAD, Op.STORE) and len(operands) == 2:
        operands = (operands[0], *_address(operands[1], line.number))
    if len(operands) != len(wanted):
        raise ProgramInvalid(f"{op.name} takes {len(wanted)} operands, not {len(operands)}", line.number)
    values = {
        kind: _evaluate(text, symbols, line.number) if kind == "imm" else _register(text, line.number)
        for kind, text in zip(wanted, operands, strict=True)
    }
    return Instruction(op, **values)


def _register(text: str, line: int) -> int:
    number = _REGISTER_NAMES.get(text.lower())
    if number is None:
        raise ProgramInvalid(f"{text[:40]!r} is no register", line)
    return number


def _address(text: str, line: int) -> tuple[str, str]:
    """Base register and offset of an address operand."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ProgramInvalid(f"{text[:40]!r} is no address; write [r1], [r1+4] or [4]", line)
    base, rest = match[1], match[2]
    if base is not None and base.lower() in _REGISTER_NAMES:
        if rest and rest[0] not in "+-":
            raise ProgramInvalid(f"{text[:40]!r} is no address", line)
        return base, rest.removeprefix("+") or "0"
    return "r0", text[1:-1].strip()


def _evaluate(text: str, symbols: Mapping[str, int], line: int) -> int:
    """Value of an expression mod p."""
    return _Expression(text, symbols, line).value()


class _Expression:
    """Recursive descent over + - *, signs and parentheses."""

    def __init__(self, text: str, symbols: Mapping[str, int], line: int) -> None:
        self._symbols, self._line, self._text = symbols, line, text.strip()
        self._tokens = self._split(self._text)
        self._at = 0
        self._depth = 0

    def _fail(self) -> ProgramInvalid:
        return ProgramInvalid(f"{self._text[:40]!r} is no value", self._line)

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._fail()
            tokens.append(match[0].strip(" \t") if match[2] is None else match[2])
            at = match.end()
        return tokens

    def _take(self) -> str:
        if self._at == len(self._tokens):
            raise self._fail()
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def value(self) -> int:
        """The whole expression."""
        result = self._sum()
        if self._at != len(self._tokens):
            raise self._fail()
        return result

    def _chain(self, operators: str, operand: Callable[[], int]) -> int:
        result = operand()
        while self._peek() and self._peek() in operators:
            operator, right = self._take(), operand()
            result = {"+": result + right, "-": result - right, "*": result * right}[operator] % P
        return result

    def _sum(self) -> int:
        return self._chain("+-", lambda: self._chain("*", self._factor))

    def _factor(self) -> int:
        token = self._take()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._fail()
        try:
            if token == "-":
                return -self._factor() % P
            if token == "(":
                inner = self._sum()
                if self._take() != ")":
                    raise self._fail()
                return inner
            return self._atom(token)
        finally:
            self._depth -= 1

    def _atom(self, token: str) -> int:
        if token[0].isdigit():
            number = int(token, 0) if token[:2] in ("0x", "0X") else int(token[:20])
            if number >= P:
                raise ProgramInvalid(f"{token[:40]} is not below p = 2^31 - 1", self._line)
            return number
        if token[0] == "'":
            body = token[1:-1]
            return ord({"\\n": "\n", "\\t": "\t", "\\0": "\0", "\\\\": "\\", "\\'": "'"}.get(body, body[-1])) % P
        if token in self._symbols:
            return self._symbols[token]
        if _NAME.fullmatch(token):
            raise ProgramInvalid(f"{token[:40]!r} is not defined", self._line)
        raise self._fail()
