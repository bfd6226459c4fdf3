"""The state depends on the order within a partition alone, and never on how partitions or batches are interleaved."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsage.projections.canonical import state_hash
from bitsage.projections.models import MODELS, model_named
from bitsage.projections.records import check
from bitsage.projections.schema import Merge

NAMES = [model.name for model in MODELS]


_SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def interleaved(records, choices):
    """The records with every partition's order kept, the partition of each step chosen by `choices`."""
    queues: dict = {}
    for record in records:
        queues.setdefault((record.topic, record.partition), []).append(record)
    waiting = [queues[key] for key in sorted(queues)]
    result = []
    while waiting:
        queue = waiting[next(choices, 0) % len(waiting)]
        result.append(queue.pop(0))
        waiting = [queue for queue in waiting if queue]
    return result


@pytest.mark.parametrize("model", NAMES)
def test_every_interleaving_gives_the_same_state(kit, model) -> None:
    records = [*kit.life().records]
    expected = _hash(kit, model, records, 1000)

    @_SETTINGS
    @given(st.lists(st.integers(0, 40), max_size=200), st.sampled_from([1, 3, 7, 1000]))
    def check_one(choices, batch) -> None:
        assert _hash(kit, model, interleaved(records, iter(choices)), batch) == expected

    check_one()


def test_the_shuffle_can_fail(kit) -> None:
    """The same test notices a state that is not folded in order: within a partition the order matters."""
    records = kit.life().records
    assert _hash(kit, "balances", records[::-1], 1000) != _hash(kit, "balances", records, 1000)


@pytest.mark.parametrize("model", NAMES)
def test_folds_change_only_columns_of_their_topic(kit, model) -> None:
    """Each column has one source topic; what is merged into rows of others commutes."""
    chosen = model_named(model)
    sources = {t.name: {c.name: c for c in t.columns} for t in chosen.tables}
    handled = set()
    store = kit.folded(model, [])
    for record in kit.life().records:
        event = check(record, None).event
        for change in chosen.fold(event, store._rows.read):
            handled.add(event.envelope.type)
            for column in change.values:
                declared = sources[change.table][column]
                assert declared.source == event.topic, (model, change.table, column)
                assert declared.merge is change.merge or change.merge is Merge.LAST
        kit_apply(store, record)
    store.close()
    assert handled, "the story must reach the fold"


def kit_apply(store, record) -> None:
    from bitsage.projections.feed import check_all, fold_into

    fold_into(store, check_all([record], None))


def test_the_story_reaches_every_handler_of_every_fold(kit) -> None:
    told = {check(record, None).event.envelope.type for record in kit.life().records}
    untold = {name for model in MODELS for name in model.fold.events} - told
    assert untold == {"StakeRejected", "ValidatorDeparted", "WorkerReturned", "ProofRefused", "JobCancelled"} | {
        "RateMeasured",
        "BenchmarkDoubted",
    }


def _hash(kit, model, records, batch) -> str:
    store = kit.folded(model, records, batch=batch)
    try:
        return state_hash(store.model, store.connection)
    finally:
        store.close()
