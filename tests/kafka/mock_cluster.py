"""
librdkafka's own mock cluster: brokers on loopback, in this process, that answer as they are told to.

The library's C interface has it, its Python one does not, hence ctypes.

Source: librdkafka, ``src/rdkafka_mock.h`` and ``src/rdkafka.h``.
"""

import ctypes
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRODUCE, METADATA, INIT_PRODUCER_ID = 0, 3, 22
"""Source: Apache Kafka protocol guide, "API keys"."""

_PRODUCER = 0
_NO_MORE, _TOPIC, _PARTITION, _VALUE, _FLAGS, _HEADERS = 0, 1, 3, 4, 7, 10
"""Source: librdkafka, ``rd_kafka_vtype_t``."""
_COPY = 2
"""Source: librdkafka, ``RD_KAFKA_MSG_F_COPY``."""


def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("confluent_kafka")
    assert spec is not None
    assert spec.origin is not None
    [path] = (Path(spec.origin).parent.parent / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_topic_create.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_topic_set_error.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.rd_kafka_mock_broker_set_rtt.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
    library.rd_kafka_mock_broker_set_down.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_mock_broker_set_up.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_conf_set.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
    ]
    library.rd_kafka_headers_new.restype = ctypes.c_void_p
    library.rd_kafka_header_add.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_ssize_t,
        ctypes.c_char_p,
        ctypes.c_ssize_t,
    ]
    library.rd_kafka_flush.argtypes = [ctypes.c_void_p, ctypes.c_int]
    # What follows these arguments is of any number.
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    return library


class MockCluster:
    """A cluster of one broker."""

    BROKER = 1

    def __init__(self, library: ctypes.CDLL, cluster: int) -> None:
        self._library = library
        self._cluster = cluster
        self.brokers: str = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()

    def create(self, topic: str, partitions: int = 2) -> None:
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0

    def refuse(self, topic: str, code: int) -> None:
        """Have the metadata of *topic* say *code*."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), code)

    def answer(self, request: int, *codes: int) -> None:
        """Answer the next requests of this kind with *codes*."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), array)

    def produce(self, topic: str, partition: int, value: bytes, header: bytes) -> None:
        """Produce *value* with a header of such a name, which the Python interface takes only if it is UTF-8."""
        configuration = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(configuration, b"bootstrap.servers", self.brokers.encode(), None, 0)
        producer = self._library.rd_kafka_new(_PRODUCER, configuration, None, 0)
        headers = self._library.rd_kafka_headers_new(1)
        self._library.rd_kafka_header_add(headers, header, len(header), b"", 0)
        fields = [
            [_TOPIC, ctypes.c_char_p(topic.encode())],
            [_PARTITION, ctypes.c_int32(partition)],
            [_VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value))],
            [_FLAGS, ctypes.c_int(_COPY)],
            [_HEADERS, ctypes.c_void_p(headers)],
        ]
        arguments = [part for field in fields for part in field]
        assert self._library.rd_kafka_producev(ctypes.c_void_p(producer), *arguments, _NO_MORE) == 0
        assert self._library.rd_kafka_flush(producer, 10_000) == 0
        self._library.rd_kafka_destroy(producer)

    def delay(self, milliseconds: int) -> None:
        """Answer everything so late."""
        assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, self.BROKER, milliseconds) == 0

    def stop(self) -> None:
        assert self._library.rd_kafka_mock_broker_set_down(self._cluster, self.BROKER) == 0

    def start(self) -> None:
        assert self._library.rd_kafka_mock_broker_set_up(self._cluster, self.BROKER) == 0


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    library = _library()
    handle = library.rd_kafka_new(_PRODUCER, None, None, 0)
    cluster = library.rd_kafka_mock_cluster_new(handle, 1)
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(handle)
