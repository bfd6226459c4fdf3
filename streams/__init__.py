"""The log: topics, records and their seals, and the exactly-once loop over them.

`topics` is the table of topics, `codec` and `envelope` make records, `seal` says whose they are. `Loop` drives a `Handler`
over a `Log`: `KafkaLog` is Apache Kafka, `InMemoryLog` a stand-in for tests that keeps Kafka's rules. `LocalKafka` starts a
broker, `deadletters` keeps what can never be handled. Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .admin import check_topics, create_topics, describe_topics
    from .codec import decode_command, decode_event, encode_command, encode_event
    from .deadletters import DeadLetter, redrive, waiting
    from .errors import (
        BadSettings,
        BrokerUnreachable,
        ClientLost,
        HistoryLost,
        KafkaSetupError,
        PermanentFailure,
        RecordTooLarge,
        StreamError,
        TopicDrift,
        TransactionAborted,
        Undecodable,
    )
    from .kafka_log import KafkaLog
    from .local_kafka import LocalKafka
    from .log import Log, Outgoing, Record
    from .loop import Handler, Loop
    from .memory_log import InMemoryLog
    from .seal import SealCheck, Sealer
    from .settings import client_settings
    from .topics import TOPICS, partition_for, topic_name

_HOME_OF = {
    "check_topics": "admin",
    "create_topics": "admin",
    "describe_topics": "admin",
    "decode_command": "codec",
    "decode_event": "codec",
    "encode_command": "codec",
    "encode_event": "codec",
    "DeadLetter": "deadletters",
    "redrive": "deadletters",
    "waiting": "deadletters",
    "BadSettings": "errors",
    "BrokerUnreachable": "errors",
    "ClientLost": "errors",
    "HistoryLost": "errors",
    "KafkaSetupError": "errors",
    "PermanentFailure": "errors",
    "RecordTooLarge": "errors",
    "StreamError": "errors",
    "TopicDrift": "errors",
    "TransactionAborted": "errors",
    "Undecodable": "errors",
    "KafkaLog": "kafka_log",
    "LocalKafka": "local_kafka",
    "Log": "log",
    "Outgoing": "log",
    "Record": "log",
    "Handler": "loop",
    "Loop": "loop",
    "InMemoryLog": "memory_log",
    "SealCheck": "seal",
    "Sealer": "seal",
    "client_settings": "settings",
    "TOPICS": "topics",
    "partition_for": "topics",
    "topic_name": "topics",
}
__all__ = [
    "TOPICS",
    "BadSettings",
    "BrokerUnreachable",
    "ClientLost",
    "DeadLetter",
    "Handler",
    "HistoryLost",
    "InMemoryLog",
    "KafkaLog",
    "KafkaSetupError",
    "LocalKafka",
    "Log",
    "Loop",
    "Outgoing",
    "PermanentFailure",
    "Record",
    "RecordTooLarge",
    "SealCheck",
    "Sealer",
    "StreamError",
    "TopicDrift",
    "TransactionAborted",
    "Undecodable",
    "check_topics",
    "client_settings",
    "create_topics",
    "decode_command",
    "decode_event",
    "describe_topics",
    "encode_command",
    "encode_event",
    "partition_for",
    "redrive",
    "topic_name",
    "waiting",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
