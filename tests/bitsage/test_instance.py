"""`sage-coordinator start --instance`: a number or a name, and nothing that could leave its folder."""

import pytest

from bitsage.cli.coordinator import _instance
from bitsage.errors import InputError


@pytest.mark.parametrize(
    ("given", "name"),
    [("0", "coordinator-0"), ("12", "coordinator-12"), ("coordinator-3", "coordinator-3"), ("b.eu-1", "b.eu-1")],
)
def test_a_number_is_short_for_a_name(given: str, name: str) -> None:
    assert _instance(given) == name


@pytest.mark.parametrize("given", ["", "../x", "a/b", ".hidden", "-x", "a b", "ä", "x" * 65, "1\n"])
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(InputError) as refused:
        _instance(given)
    assert refused.value.code == "bad_instance"
