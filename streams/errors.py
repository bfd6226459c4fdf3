"""Errors of the streams room.

StreamError
|-- Undecodable          a record that is not one of ours: bad framing, unknown schema, malformed or non-canonical bytes
|-- PermanentFailure     a record that can never be handled: it becomes a dead letter (`park`: its key waits for a person)
|-- HistoryLost          an offset lies below what the log still holds
|-- TransactionAborted   the batch left no trace; rewind and try it again
|-- RecordTooLarge       a record is larger than its topic takes: trying again will not help
|-- ClientLost           the outcome is unknown or the client is fenced: drop it, rebuild state, start anew
|-- BadSettings          the address or the settings file of a cluster is malformed
|-- BrokerUnreachable    no broker answered in time
|-- KafkaSetupError      the local broker cannot be set up or started
`-- TopicDrift           the cluster's topics are not those of the table
"""


class StreamError(Exception):
    """Anything wrong with the log or a record."""

    code = "stream_error"


class Undecodable(StreamError):
    """A record that is not one of ours; `code` says in which way."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PermanentFailure(StreamError):
    """A record that can never be handled.

    `park` is for a failure of our own on an authenticated record. What anybody could have written (garbage, unsigned)
    must never park a key, or a stranger could stop somebody else's account.
    """

    def __init__(self, code: str, message: str, *, park: bool) -> None:
        super().__init__(message)
        self.code = code
        self.park = park


class HistoryLost(StreamError):
    """An offset lies below what the log still holds."""

    code = "history_lost"


class TransactionAborted(StreamError):
    """The batch left no trace; rewind and try it again."""

    code = "transaction_aborted"


class RecordTooLarge(StreamError):
    """A record is larger than its topic takes; `index` is its place among those that were to be written."""

    code = "record_too_large"

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class ClientLost(StreamError):
    """The outcome is unknown or the client is fenced: drop it, rebuild state, start anew."""

    code = "client_lost"


class BadSettings(StreamError):
    """The address or the settings file of a cluster is malformed; the text never quotes a value of the file."""

    code = "bad_kafka_settings"


class BrokerUnreachable(StreamError):
    """No broker answered in time."""

    code = "broker_unreachable"


class KafkaSetupError(StreamError):
    """The local broker cannot be set up or started."""

    code = "kafka_setup"


class TopicDrift(StreamError):
    """The cluster's topics are not those of the table."""

    code = "topic_drift"
