"""Whoever sends slowly, over real sockets: each connection ends in its time, and others are answered meanwhile."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from testnetwork import key, wait

from bitsage.nodes.bridge import BridgeLimits, bridge_app
from bitsage.nodes.bridge_server import BridgeServer
from bitsage.nodes.verdicts import STATEMENT_BYTES
from bitsage.schemas.parameters import Parameters

HEAD_S, BODY_S = 0.6, 0.6
#: The machine that runs the tests may be busy; a connection that is never closed is not closed by then either.
PATIENCE_S = 30


@contextmanager
def serving(connections: int = 128) -> Iterator[BridgeServer]:
    app = bridge_app(key(1), "slow-test", Parameters(), BridgeLimits(body_timeout_s=BODY_S))
    server = BridgeServer(app, port=0, connections=connections, head_timeout_s=HEAD_S)
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait(lambda: healthy(server))
        yield server
    finally:
        server.stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[BridgeServer]:
    with serving() as found:
        yield found


def healthy(server: BridgeServer) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{server.port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def dripped(server: BridgeServer, first: bytes, drop: bytes) -> bytes:
    """What the server said until it hung up, to somebody who goes on sending a byte at a time; fails when it never does."""
    said = b""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as peer:
        peer.settimeout(0.05)
        until = time.monotonic() + PATIENCE_S
        try:
            peer.sendall(first)
            while time.monotonic() < until:
                try:
                    more = peer.recv(4096)
                except TimeoutError:
                    peer.sendall(drop)
                    continue
                if not more:
                    return said
                said += more
        except ConnectionError:
            return said
    pytest.fail("the connection is still open")


def test_a_head_that_comes_byte_by_byte_is_cut_off(server: BridgeServer) -> None:
    assert dripped(server, b"GET /healthz HTTP/1.1\r\nX: ", b"a") == b""
    assert dripped(server, b"", b"G") == b"", "not even a first line"


def test_a_connection_without_a_byte_is_cut_off(server: BridgeServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as peer:
        peer.settimeout(PATIENCE_S)
        began = time.monotonic()
        with suppress(ConnectionResetError):
            assert peer.recv(1) == b""
        assert time.monotonic() - began >= HEAD_S / 2


def test_the_next_request_on_a_connection_has_its_time_too(server: BridgeServer) -> None:
    said = dripped(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"G")
    assert said.startswith(b"HTTP/1.1 200")


def test_a_body_that_nobody_waits_for_is_cut_off(server: BridgeServer) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    assert dripped(server, head, b"b").startswith(b"HTTP/1.1 404")


def test_a_body_that_comes_byte_by_byte_has_a_time_for_all_of_it(server: BridgeServer) -> None:
    head = f"POST /validate HTTP/1.1\r\nHost: x\r\n{STATEMENT_BYTES}: 9000\r\nContent-Length: 9000\r\n\r\n"
    assert dripped(server, head.encode(), b"{").startswith(b"HTTP/1.1 408")


def test_a_head_that_is_too_long_is_refused(server: BridgeServer) -> None:
    assert dripped(server, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 20_000, b"a").startswith(b"HTTP/1.1 400")


def test_slow_peers_do_not_keep_others_out_for_longer_than_their_time() -> None:
    with serving(connections=4) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) for _ in range(4)]
        try:
            for peer in slow:
                peer.sendall(b"GET /healthz HTTP/1.1\r\n")
            wait(lambda: healthy(server), PATIENCE_S)
        finally:
            for peer in slow:
                peer.close()
