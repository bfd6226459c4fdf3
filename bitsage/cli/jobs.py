"""Jobs on the command line: what is asked for, and waiting for it."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bitsage.amounts import to_base_units
from bitsage.errors import InputError
from bitsage.nodes.client import Answer, Client, fresh_seed
from bitsage.nodes.errors import AnswerTimeout
from bitsage.nodes.jobwork import job_input
from bitsage.obelysk import get_job_type, read_input
from bitsage.schemas.events import (
    EscrowRefunded,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRejected,
    JobSpec,
    PaymentEncrypted,
)
from bitsage.streams.log import Record
from bitsage.streams.topics import TOPICS, topic_name

from .shared import gpu_tier

#: Topics that tell a job's life; `workers` holds its place in the market.
LIFE = ("accounts", "workers", "jobs", "proofs", "votes")
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DIGITS = "digits:"
_MAX_FILE = 64 << 20
#: How long a job that is over may take to be paid for or refunded, and one that nobody has heard of to appear.
_SETTLE_S, _UNKNOWN_S = 10.0, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job as it was typed."""

    type: str
    size: int | None
    seed: int | None
    a: Path | None
    b: Path | None
    images: str | None
    input: Path | None
    max_cost: str
    tier: str
    priority: int
    deadline: str
    min_cost: str | None = None
    ramp: str | None = None
    ramp_after: str | None = None
    lock_timeout: str | None = None
    collateral: str = "0"
    open_offer: bool = False

    @property
    def price(self) -> int:
        """The price, of an open offer the highest, in base units.

        Raises:
            InputError: no amount.
        """
        return to_base_units(self.max_cost)

    def spec(self, now: int) -> JobSpec:
        """The job at `now` (ms).

        Raises:
            UnknownJobType, JobInputInvalid: nothing that the job type can do.
            InputError: an amount, tier, deadline or file that cannot be used.
        """
        price, request = self.price, self._request()
        get_job_type(self.type).validate(request)
        return JobSpec(
            job_type=self.type,
            input=job_input(request),
            max_cost=price if self.open_offer else 0,
            tier=gpu_tier(self.tier) if self.tier else "",
            tee=False,
            priority=self.priority,
            deadline=deadline_ms(self.deadline, now),
            **self._offer(now),
        )

    def _offer(self, now: int) -> dict[str, int]:
        """The fields of an offer with a price ramp, a lock timeout or a collateral.

        Raises:
            InputError: half a ramp, or something that is no time or amount.
        """
        if (self.min_cost is None) != (self.ramp is None):
            raise InputError("bad_argument", "--min-cost and --ramp go together; without them the price is --max-cost")
        if self.ramp_after is not None and self.ramp is None:
            raise InputError("bad_argument", "--ramp-after goes with --ramp")
        low = 0 if self.min_cost is None else to_base_units(self.min_cost)
        if self.min_cost is not None and not low:
            raise InputError("bad_amount", "--min-cost has to be more than nothing")
        if low > to_base_units(self.max_cost):
            raise InputError("bad_argument", "--min-cost is above --max-cost; lower it")
        return {
            "min_cost": low,
            "ramp_start": 0 if self.ramp_after is None else now + duration_ms(self.ramp_after, "--ramp-after"),
            "ramp_ms": 0 if self.ramp is None else duration_ms(self.ramp, "--ramp"),
            "lock_timeout_ms": 0 if self.lock_timeout is None else duration_ms(self.lock_timeout, "--lock-timeout"),
            "collateral": to_base_units(self.collateral),
        }

    def _request(self) -> dict[str, Any]:
        job_type = get_job_type(self.type)
        given = [n for n in ("size", "seed", "a", "b", "images", "input") if getattr(self, n) is not None]
        if self.input is not None:
            _alone("input", given)
            return read_input(job_type.input_schema, _text(self.input))
        if self.images is not None:
            _alone("images", given)
            if self.type != "inference":
                raise InputError("bad_argument", "--images goes with --type inference")
            return _images_request(self.images)
        if self.type == "inference":
            raise InputError("bad_argument", "an inference job needs --images FILE.npy or --images digits:0-15")
        if self.type != "matmul":
            raise InputError("bad_argument", f"a job of the type {self.type} needs its input as --input FILE.json")
        return self._matrices()

    def _matrices(self) -> dict[str, Any]:
        if self.a is not None and self.b is not None:
            if self.size is not None or self.seed is not None:
                raise InputError(
                    "bad_argument", "--a and --b are the whole input: --size and --seed do not go with them"
                )
            return {"a": _read(self.a), "b": _read(self.b)}
        if self.a is not None or self.b is not None:
            raise InputError("bad_argument", "--a and --b go together")
        if self.size is None:
            raise InputError("bad_argument", "a job needs --size N, or its matrices as --a A.npy --b B.npy")
        return {"size": self.size, "seed": fresh_seed() if self.seed is None else self.seed}


def _alone(option: str, given: list[str]) -> None:
    if len(given) > 1:
        others = ", ".join(f"--{n}" for n in given if n != option)
        raise InputError("bad_argument", f"--{option} is the whole input: {others} does not go with it")


def _images_request(images: str) -> dict[str, Any]:
    from bitsage.obelysk.inference import default_model

    model = default_model().hash.hex()
    if images.startswith(_DIGITS):
        return {"model": model, "digits": images.removeprefix(_DIGITS)}
    return {"model": model, "images": _read(Path(images))}


def _text(file: Path) -> str:
    try:
        return _read(file).decode()
    except UnicodeDecodeError:
        raise InputError("file_error", f"{file} is not UTF-8 text") from None


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise InputError("file_error", f"{file} cannot be read: {error.strerror}") from None
    if len(data) > _MAX_FILE:
        raise InputError("file_error", f"{file} is larger than {_MAX_FILE} bytes")
    return data


def duration_ms(text: str, option: str) -> int:
    """Milliseconds of `90s`, `30m`, `2h`, `3d`.

    Raises:
        InputError: something else (`bad_argument`).
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise InputError("bad_argument", f"{option} is a time such as 90s, 30m or 2h, not {text[:40]!r}")
    return int(match[1]) * _SECONDS[match[2]] * 1000


def deadline_ms(text: str, now: int) -> int:
    """Milliseconds since 1970 of `90s`, `30m`, `2h`, `3d` from `now`, or of an ISO 8601 time (UTC unless it says so).

    Raises:
        InputError: neither (`bad_deadline`).
    """
    match = _DURATION.fullmatch(text.strip())
    if match is not None:
        return now + int(match[1]) * _SECONDS[match[2]] * 1000
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            "bad_deadline", f"a deadline is 30m, 2h, 3d or a time such as 2030-01-31T12:00Z, not {text[:40]!r}"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def is_end(body: Any) -> bool:
    """Whether the job is decided: nothing but its settlement can follow."""
    return isinstance(body, JobCompleted | JobFailed | JobCancelled | JobRejected)


def life_of(client: Client, job_id: bytes | None, *, follow: bool, timeout: float | None) -> Iterator[Answer]:
    """The events of a job (of all for None): those of the log by time, then the new ones as they come.

    Of one job, it ends when the job is over and settled, or is over and nothing came for 10 s.

    Raises:
        AnswerTimeout: the job is not over after `timeout` seconds.
        InputError: the log has no such job, when following for 15 s or up to the timeout (`unknown_job`).
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    places = {(topic_name(t), p): 0 for t in LIFE for p in range(TOPICS[t].partitions)}
    seen = _Seen(client, job_id)
    backlog: list[tuple[int, int, Answer]] = []
    # The ends first: the backlog's reader then reads at least as far, and what is news is not passed over between the two.
    ends = _ends(client, places)
    probe = client.log.reader(places, follow=False)
    try:
        while (job_id is not None or not follow) and (records := probe.read(2_000, 5.0)):
            backlog += [(r.timestamp, _rank(a), a) for r in records if (a := seen.take(r)) is not None]
    finally:
        probe.close()
    yield from (a for _, _, a in sorted(backlog, key=lambda item: (item[0], item[1], item[2].offset)))
    if seen.nothing and not follow:
        raise InputError("unknown_job", "the log has no such job; check the job id")
    if follow and not seen.settled:
        yield from _news(client, ends, seen, deadline)


def _ends(client: Client, places: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
    probe = client.log.reader(places, follow=False)
    try:
        return probe.end_offsets()
    finally:
        probe.close()


def _rank(answer: Answer) -> int:
    return LIFE.index(answer.topic.rsplit(".", 1)[1])


class _Seen:
    """Which events were shown, and whether the job is over and paid for or refunded."""

    def __init__(self, client: Client, job_id: bytes | None) -> None:
        self._client = client
        self._job_id = job_id
        self._places: set[tuple[str, int, int]] = set()
        self.ended = self._moved = False

    @property
    def nothing(self) -> bool:
        """Whether a certain job was asked for and no event of it was seen."""
        return self._job_id is not None and not self._places

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be expected."""
        return self._job_id is not None and self.ended and self._moved

    def take(self, record: Record) -> Answer | None:
        """The record's event, if it belongs to the job and was not shown before."""
        place = (record.topic, record.partition, record.offset)
        if place in self._places:
            return None
        answer = self._client.read(record)
        if answer is None or (self._job_id is not None and getattr(answer.body, "job_id", None) != self._job_id):
            return None
        self._places.add(place)
        self.ended = self.ended or is_end(answer.body)
        self._moved = self._moved or isinstance(answer.body, PaymentEncrypted | EscrowRefunded | JobRejected)
        return answer


def _news(client: Client, ends: dict[tuple[str, int], int], seen: _Seen, deadline: float | None) -> Iterator[Answer]:
    reader = client.log.reader(ends, follow=True)
    quiet_since = time.monotonic()
    try:
        while not seen.settled:
            fresh = [a for r in reader.read(500, 0.2) if (a := seen.take(r)) is not None]
            if fresh:
                quiet_since = time.monotonic()
            yield from sorted(fresh, key=lambda a: (a.envelope.at, _rank(a), a.offset))
            if seen.ended and time.monotonic() - quiet_since > _SETTLE_S:
                return
            if seen.nothing and time.monotonic() - quiet_since > _UNKNOWN_S:
                raise InputError("unknown_job", "the log has no such job; check the job id")
            if deadline is not None and time.monotonic() > deadline:
                if seen.nothing:
                    raise InputError("unknown_job", "the log has no such job yet; check the job id")
                raise AnswerTimeout("the job is not over yet; it goes on, ask again later")
    finally:
        reader.close()
