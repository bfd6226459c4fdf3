"""Every point and scalar of every proof, forged by itself: refused alone and in a batch, by challenge and by equation."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastecdsa.rust import Point

from bitsage.privacy.curve import ORDER, G
from bitsage.privacy.equations import Equation, sum_of
from bitsage.privacy.generators import BASE_G
from bitsage.privacy.inner_product import InnerProduct
from bitsage.privacy.transcript import Transcript
from bitsage.privacy.value_proof import Form
from bitsage.privacy.verification import Batch
from tests.privacy.cases import Case, equality_case, key_case, opening_case, range_case, value_case

#: A field's name, or a place in a tuple.
Path = tuple[str | int, ...]
#: The size that a transfer has: three folds, and vectors of 11 are left.
BITS, VALUES = (40, 48), (2**40 - 1, 12_345_678)
#: The kinds of proofs, and another statement of the same kind for each.
MAKERS: dict[str, Callable[[], Case]] = {
    "key": key_case,
    "opening": lambda: opening_case(2),
    "value-sender": lambda: value_case(Form.SENDER),
    "value-receiver": lambda: value_case(Form.RECEIVER),
    "zero-sender": lambda: value_case(Form.SENDER, 0),
    "zero-receiver": lambda: value_case(Form.RECEIVER, 0),
    "equality": equality_case,
    "range": lambda: range_case(BITS, VALUES),
}
CASES = {name: make() for name, make in MAKERS.items()}
#: Proofs that swapped parts come from: of the same statement, and of another.
TWINS = {name: (CASES[name].prove(), make().proof) for name, make in MAKERS.items()}
BATCHED = [name for name, case in CASES.items() if case.equations is not None]
NAMES = ("A", "S", "T_1", "T_2", "tau", "mu", "t")


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every point and scalar of a proof, with the way to it."""
    match value:
        case Point() | int():
            yield path, value
        case tuple():
            for place, part in enumerate(value):
                yield from leaves(part, (*path, place))
        case _:
            for part in dataclasses.fields(value):
                yield from leaves(getattr(value, part.name), (*path, part.name))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def put(value: Any, path: Path, leaf: Any) -> Any:
    """The proof with another leaf."""
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], put(value[step], rest, leaf), *value[step + 1 :])
    return dataclasses.replace(value, **{step: put(getattr(value, step), rest, leaf)})


def forgeries(name: str, path: Path) -> dict[str, Any]:
    """The proof with this one leaf altered, and with that of other honest proofs."""
    proof, leaf = CASES[name].proof, at(CASES[name].proof, path)
    found = {"altered": put(proof, path, leaf + G if isinstance(leaf, Point) else (leaf + 1) % ORDER)}
    for whose, twin in zip(("of the same statement", "of another statement"), TWINS[name], strict=True):
        assert at(twin, path) != leaf
        found[whose] = put(proof, path, at(twin, path))
    return found


PLACES = [(name, path) for name in CASES for path, _ in leaves(CASES[name].proof)]
every_place = pytest.mark.parametrize(("name", "path"), PLACES, ids=[f"{n}-{'.'.join(map(str, p))}" for n, p in PLACES])


def test_the_places_are_all_there_are() -> None:
    """Else a field that is added to a proof would be left out here."""
    for name, case in CASES.items():
        size = sum(64 if isinstance(leaf, Point) else 32 for _, leaf in leaves(case.proof))
        assert size == len(case.proof.to_bytes()), name
    at_range = [path for name, path in PLACES if name == "range"]
    assert len(at_range) == len(NAMES) + 2 * 3 + 2 * 11
    assert isinstance(CASES["range"].proof.product, InnerProduct)


@every_place
def test_a_forged_part_is_refused(name: str, path: Path) -> None:
    case = CASES[name]
    assert case.check()
    for how, forged in forgeries(name, path).items():
        assert not case.check(proof=forged), how


@every_place
def test_a_forged_part_is_refused_by_the_equations_themselves(
    monkeypatch: pytest.MonkeyPatch, name: str, path: Path
) -> None:
    """The verifier hears the challenges of the honest proof whatever it absorbs: every part stands in an equation, too."""
    case, heard = CASES[name], list[int]()
    with monkeypatch.context() as patch:
        for kind in ("challenge", "wide_challenge"):
            real = getattr(Transcript, kind)
            patch.setattr(Transcript, kind, lambda self, real=real: heard.append(real(self)) or heard[-1])
        assert case.check()
    assert heard
    for how, forged in {"honest": case.proof, **forgeries(name, path)}.items():
        told = iter(heard)
        for kind in ("challenge", "wide_challenge"):
            monkeypatch.setattr(Transcript, kind, lambda self, told=told: next(told))
        assert case.check(proof=forged) is (how == "honest"), how
        assert next(told, None) is None


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, p in PLACES if n in BATCHED], ids=str)
def test_a_batch_with_one_forged_part_is_refused_and_its_proof_is_found(name: str, path: Path) -> None:
    honest = {n: CASES[n].equations(CASES[n].proof) for n in BATCHED}  # type: ignore[misc]
    for how, forged in forgeries(name, path).items():
        bad = CASES[name].equations(forged)  # type: ignore[misc]
        batch = Batch()
        for equations in ({**honest, name: bad}).values():
            batch.add(equations)
        assert not batch.holds(), how
    # A batch names nobody; one at a time they do.
    altered = {n: CASES[n].proof for n in BATCHED} | {name: forgeries(name, path)["altered"]}
    assert [n for n, proof in altered.items() if not CASES[n].check(proof=proof)] == [name]
    batch = Batch()
    for equations in honest.values():
        batch.add(equations)
    assert batch.holds()


def test_wrong_equations_do_not_cancel_each_other_out() -> None:
    """One is wrong by as much as the other, the other way round: the weights keep them apart."""
    for wrong in ([Equation({BASE_G: 1}), Equation({BASE_G: -1})], [Equation({}, [(1, G)]), Equation({}, [(-1, G)])]):
        assert (
            sum_of({BASE_G: sum(e.fixed.get(BASE_G, 0) for e in wrong)}, [term for e in wrong for term in e.free])
            is None
        )
        batch = Batch()
        batch.add(wrong)
        assert not batch.holds()
