"""Writing records whose header names are no UTF-8, which no Python client does: by librdkafka's own C interface."""

import ctypes
from pathlib import Path
from typing import Any, Final

import confluent_kafka

_PRODUCER: Final = 0
_TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADER = 1, 3, 4, 5, 7, 9
_COPY: Final = 2


class _Bytes(ctypes.Structure):
    _fields_ = (("pointer", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("size", ctypes.c_ssize_t))


class _Content(ctypes.Union):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("number", ctypes.c_int32),
        ("data", _Bytes),
        ("header", _Header),
        ("padding", ctypes.c_char * 64),
    )


class _Argument(ctypes.Structure):
    """rd_kafka_vu_t of rdkafka.h."""

    _fields_ = (("kind", ctypes.c_int), ("content", _Content))


def _library() -> ctypes.CDLL:
    home = Path(confluent_kafka.__file__).parent
    found = [*home.parent.glob("confluent_kafka.libs/librdkafka-*"), *home.glob(".dylibs/librdkafka*")]
    assert found, "this build of confluent-kafka brings no librdkafka of its own"
    library = ctypes.CDLL(str(found[0]))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_produceva"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_conf_set.argtypes = [ctypes.c_void_p, *[ctypes.c_char_p] * 3, ctypes.c_size_t]
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_produceva.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Argument), ctypes.c_size_t]
    library.rd_kafka_flush.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    return library


def produce_raw(
    bootstrap: str, topic: str, partition: int, key: bytes, value: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Write one record and wait until it is durable; header names are any bytes without a zero."""
    library, trouble = _library(), ctypes.create_string_buffer(500)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"bootstrap.servers", bootstrap.encode(), trouble, 500)
    client = library.rd_kafka_new(_PRODUCER, settings, trouble, 500)
    assert client, trouble.value
    wanted: list[tuple[int, dict[str, Any]]] = [
        (_TOPIC, {"text": topic.encode()}),
        (_PARTITION, {"number": partition}),
        (_VALUE, {"data": _Bytes(value, len(value))}),
        (_KEY, {"data": _Bytes(key, len(key))}),
        (_FLAGS, {"number": _COPY}),
        *((_HEADER, {"header": _Header(name, content, len(content))}) for name, content in headers),
    ]
    arguments = (_Argument * len(wanted))(*(_Argument(kind, _Content(**content)) for kind, content in wanted))
    try:
        assert not library.rd_kafka_produceva(client, arguments, len(wanted))
        assert library.rd_kafka_flush(client, 10_000) == 0
    finally:
        library.rd_kafka_destroy(client)
