"""Commands that were never decided because nobody signed them: their sender finds them among the dead letters."""

import hashlib
from collections.abc import Iterable

from bitsage.schemas.reasons import REASONS
from bitsage.streams.deadletters import TOPIC, read_dead_letter
from bitsage.streams.log import Place, Record
from bitsage.streams.seal import SealCheck

from .errors import CommandRefused
from .signing import UNSIGNED, Prepared


def letter_place(prepared: Prepared) -> Place:
    """Where the dead letter of this command would stand."""
    return TOPIC, prepared.record.partition


def raise_if_unsigned(records: Iterable[Record], prepared: Prepared, seals: SealCheck) -> None:
    """Look for the dead letter of this very command among `records`.

    Raises:
        CommandRefused: its signature does not count; the code says why.
    """
    value = prepared.record.value or b""
    for record in records:
        letter = read_dead_letter(record, seals) if record.topic == TOPIC else None
        if letter is None or letter.code not in UNSIGNED:
            continue
        same = letter.digest == hashlib.sha256(value).hexdigest() if letter.digest else letter.value == value
        if same:
            sentence = f"{prepared.envelope.type} was refused: {REASONS[letter.code]}"
            raise CommandRefused(letter.code, sentence)
