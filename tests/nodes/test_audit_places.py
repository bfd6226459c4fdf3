"""The audit's rule of places: an event stands under the subject that it is about."""

import dataclasses
from typing import Any

import pytest

from bitsage.nodes import audit_places
from bitsage.nodes.audit_places import elsewhere
from bitsage.processors.model import NETWORK, TREASURY, account_subject
from bitsage.schemas import events, hidden_events
from bitsage.schemas.events import EVENT_TOPIC
from bitsage.schemas.types import Rejection


def _class(name: str) -> Any:
    return getattr(events, name, None) or getattr(hidden_events, name)


WHO, JOB = b"\x11" * 32, b"\x77" * 16
#: Where each of these may stand.
PLACES = {
    **dict.fromkeys(audit_places._ACCOUNT, account_subject(WHO)),
    **audit_places._SINGLE,
    **{
        name: JOB.hex()
        for name, topic in EVENT_TOPIC.items()
        if topic in ("jobs", "proofs", "votes") and not issubclass(_class(name), Rejection)
    },
}


def made(name: str) -> Any:
    """An event of this kind with nothing in it but whom it names: a stand-in, since nothing else is looked at."""
    kind = _class(name)
    body = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(body, field.name, JOB if field.name == "job_id" else WHO)
    return body


@pytest.mark.parametrize("name", sorted(PLACES))
def test_each_kind_of_event_has_its_place(name: str) -> None:
    assert elsewhere(PLACES[name], made(name)) is None
    for other in (account_subject(b"\x12" * 32), NETWORK, TREASURY, "78" * 16):
        if other != PLACES[name]:
            assert name in (elsewhere(other, made(name)) or "")


def test_an_account_names_any_job_and_a_refusal_is_the_cause_of_nothing_but_a_contradictory_vote() -> None:
    assert elsewhere(account_subject(WHO), made("EscrowLocked")) is None
    vote = made("VoteRejected")
    assert elsewhere("78" * 16, vote) is None
    object.__setattr__(vote, "reason", "equivocation")
    assert elsewhere("78" * 16, vote) == "VoteRejected names another job than its own"
    assert elsewhere(JOB.hex(), vote) is None
