"""The bridge as a process: uvicorn on a port until `stop` is set; what was accepted by then is answered first."""

import socket
import threading
from dataclasses import dataclass, field

import structlog
import uvicorn
from fastapi import FastAPI

from .bridge_protocol import timed

logger = structlog.get_logger(__name__)
_HEAD_MAX = 16 * 1024


@dataclass(slots=True)
class BridgeServer:
    """`bind` takes the port, `run` serves on it; `port` 0 takes a free one and holds it afterwards.

    `head_timeout_s`: time for the head of a request, from the connection or the last answer on.
    """

    app: FastAPI
    host: str = "127.0.0.1"
    port: int = 9440
    connections: int = 128
    drain_s: int = 75
    head_timeout_s: float = 10.0
    stop: threading.Event = field(default_factory=threading.Event)
    _socket: socket.socket | None = None

    def bind(self) -> socket.socket:
        """Take the port.

        Raises:
            OSError: it is taken, or the host is none of this machine's.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        taken = socket.socket(family, socket.SOCK_STREAM)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((self.host, self.port))
        except OSError:
            taken.close()
            raise
        self.port = taken.getsockname()[1]
        self._socket = taken
        return taken

    def run(self) -> None:
        """Serve until `stop` is set."""
        listening = self._socket or self.bind()
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            server_header=False,
            # Nobody's word for an address is used.
            proxy_headers=False,
            limit_concurrency=self.connections,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=self.drain_s,
            http=timed(self.head_timeout_s),
            h11_max_incomplete_event_size=_HEAD_MAX,
            ws="none",
        )
        server = uvicorn.Server(config)
        # In a thread uvicorn leaves signals alone: they are the command line's.
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="bridge")
        serving.start()
        logger.info("bridge_listening", host=self.host, port=self.port)
        try:
            while serving.is_alive() and not self.stop.wait(0.1):
                pass
        finally:
            server.should_exit = True
            serving.join()
            listening.close()
