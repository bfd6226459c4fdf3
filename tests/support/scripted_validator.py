"""Stand-ins for validators' bridges that answer as a script says, and what a client is to ask them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testnetwork import key

from bitsage.nodes.validator_client import ValidatorClient
from bitsage.nodes.verdicts import Statement, sign_verdict

CHAIN, VALIDATOR = "client-test", key(1)
PROOF = b"packed proof"
STATEMENT = Statement(
    job_id="22" * 16,
    attempt=1,
    worker="0x" + "11" * 32,
    job_type="matmul",
    input='{"seed":1,"size":16}',
    output_hash="33" * 32,
    proof_hash="44" * 32,
)


def said(statement=STATEMENT, chain=CHAIN, **change):
    return json.dumps(sign_verdict(VALIDATOR, chain, statement, True, "valid", 5).as_dict() | change).encode()


class Scripted:
    """A stand-in for a validator that answers as it is told: (status, headers, body), None to hang up; the last repeats."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    @contextmanager
    def serving(self):
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                script.asked.append((dict(self.headers), body))
                answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
                if answer is None:
                    self.connection.close()
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


GOOD = (200, {}, said())
BUSY = (503, {"Retry-After": "3"}, b"")


@contextmanager
def asking() -> Iterator[Callable]:
    """ask(*scripts) -> (client, urls, waits); the client asks the scripted validators in order."""
    stack = []

    def make(*scripts, **settings):
        urls = []
        for script in scripts:
            manager = script.serving()
            urls.append(manager.__enter__())
            stack.append(manager)
        waits = []
        return ValidatorClient(urls, CHAIN, **({"sleep": waits.append} | settings)), urls, waits

    yield make
    for manager in stack:
        manager.__exit__(None, None, None)
