"""The error terms, and that docs/soundness.md states the computed ones."""

from __future__ import annotations

from dataclasses import replace
from math import isclose, log2
from pathlib import Path

import pytest
from mutation import EVERY_AIR, instance

from bitsage.obelysk.inference import InferenceJob, default_model
from bitsage.obelysk.matmul import CONFIG, matmul_air, matmul_params
from bitsage.obelysk.vm import assemble
from bitsage.obelysk.vm.statement import Statement
from bitsage.stark import Air, P, Params, PcsConfig
from bitsage.stark.errors import REFUSAL_REASONS
from bitsage.stark.examples import plonk, wide_fibonacci
from bitsage.stark.soundness import FIELD_BITS, ErrorTerms, error_terms, total

PAGE = (Path(__file__).parents[2] / "docs" / "soundness.md").read_text()


def matmul_terms(size: int) -> ErrorTerms:
    own = {"product check": FIELD_BITS - log2(2 * (size - 1)), "matrices at z": FIELD_BITS - 2 * log2(size)}
    return error_terms(matmul_air(), matmul_params(size, bytes(32), bytes(32)), own)


def large(name: str) -> tuple[Air, Params]:
    """The example AIRs at 2^20 rows under the configuration of jobs; traces are not needed."""
    if name == "vm":
        statement = Statement(assemble("halt"), (), (), 0, 1, bytes(32))
        return statement.air(), statement.params((20,) * 5 + (4, 16, 16, 8))
    if name == "plonk":
        air, params, _ = plonk(CONFIG, 5)
        return air, replace(params, log_sizes=(20,), preprocessed_log_sizes=(20,) * 4)
    air, params, _ = wide_fibonacci(CONFIG, [(5, 100)])
    return air, replace(params, log_sizes=(20,))


def vm_terms(log_rows: int) -> ErrorTerms:
    """A program of the machine whose largest component has 2^log_rows rows, and every chip as many."""
    statement = Statement(assemble("halt"), (), (), 0, 1, bytes(32))
    return error_terms(statement.air(), statement.params((log_rows,) * 5 + (4, 16, 16, 8)))


def inference_terms() -> ErrorTerms:
    """The largest batch of images: 128 nodes and 256 images in the product check."""
    own = {"product check": FIELD_BITS - log2(256 + 128)}
    request = {"model": default_model().hash.hex(), "digits": "0-255"}
    return error_terms(*InferenceJob().statement(request, bytes(32)), own)


def line(name: str, terms: ErrorTerms) -> str:
    own = total(list(terms.challenges.values())) if terms.challenges else None
    numbers = (terms.combination, terms.out_of_domain, terms.quotients, terms.folding)
    cells = [name, "-" if own is None else f"{own:.1f}", *(f"{bits:.1f}" for bits in numbers)]
    return " | ".join(["", *cells, f"{terms.conjectured:.1f}", f"{terms.proven:.1f}", ""]).strip()


def rows() -> list[str]:
    lines = [line(f"matmul n = {size}", matmul_terms(size)) for size in (16, 64, 256, 1024, 2048)]
    lines += [line(f"vm, 2^{log_rows} cycles", vm_terms(log_rows)) for log_rows in (16, 20)]
    lines.append(line("inference, 256 images", inference_terms()))
    lines.append(line("plonk, 2^20 rows", error_terms(*large("plonk"))))
    lines.append(line("wide-fibonacci, 2^20 rows, 100 columns", error_terms(*large("wide_fibonacci"))))
    return lines


@pytest.mark.parametrize("row", rows())
def test_the_page_states_the_computed_terms(row: str) -> None:
    assert row in PAGE, row


def test_the_terms_of_matmul_by_hand() -> None:
    """n = 16: 2^8 rows, a domain of 2^10, seven constraints, 86 samples and periods, folds of 3, 3 and 2 layers."""
    terms = matmul_terms(16)
    field = log2(P) * 4
    assert isclose(terms.challenges["product check"], field - log2(30))
    assert isclose(terms.challenges["matrices at z"], field - log2(256))
    assert isclose(terms.combination, field - log2(6))
    assert isclose(terms.out_of_domain, field - log2((3 + 24) * 256))
    assert isclose(terms.quotients, field - log2(85 * 1024))
    assert isclose(terms.folding, field - log2(7 * 1024 + 7 * 128 + 3 * 16))
    assert (terms.queries_capacity, terms.queries_johnson) == (96, 58)
    assert isclose(terms.queries_unique, 20 + 38 * log2(1.6))


def test_lookups_are_counted_by_their_fractions() -> None:
    air, params = large("plonk")
    terms = error_terms(air, params)
    assert isclose(terms.challenges["lookups in PlonkRelation"], FIELD_BITS - log2(2 * 3 * 2**20))


@pytest.mark.parametrize("name", EVERY_AIR)
def test_no_other_term_is_weaker_than_the_conjectured_queries(name: str) -> None:
    made = instance(name, "production")
    assert made is not None
    terms = error_terms(made.air, made.params)
    assert terms.algebraic > 96
    assert terms.proven < terms.conjectured < terms.queries_capacity
    assert total([terms.algebraic, terms.queries_unique]) <= terms.proven <= terms.queries_johnson


def test_more_of_anything_weakens_a_proof() -> None:
    assert matmul_terms(1024).algebraic < matmul_terms(64).algebraic
    air, params, _ = wide_fibonacci(PcsConfig(10, 1, 20), [(6, 5)])
    weak = error_terms(air, params)
    strong = error_terms(air, replace(params, config=PcsConfig(10, 1, 30)))
    assert strong.proven > weak.proven
    assert error_terms(air, params, {"own": 10.0}).conjectured < 10


def test_the_page_names_the_reasons_it_speaks_of() -> None:
    for reason in ("mask_not_periodic", "preprocessed_root_unpinned", "relation_uses", "non_canonical"):
        assert reason in REFUSAL_REASONS
        assert f"`{reason}`" in PAGE


@pytest.mark.parametrize("size", [16, 1024])
def test_more_queries_bring_the_proven_figure_that_the_page_says(size: int) -> None:
    params = matmul_params(size, bytes(32), bytes(32))
    more = replace(params, config=replace(CONFIG, n_queries=113))
    for air, given in ((matmul_air(), more), *((a, replace(p, config=more.config)) for a, p in map(large, LARGE))):
        assert error_terms(air, given).proven > 93


LARGE = ("plonk", "wide_fibonacci", "vm")
