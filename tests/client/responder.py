"""An OCSP responder in a thread, which says of the stand-in's certificates what the stand-in knows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.client.stand_in import StandIn


@contextmanager
def responding(server: StandIn) -> Iterator[str]:
    """Answer for a stand-in while the block runs; the value is the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = ocsp.load_der_ocsp_request(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(_answer(server, asked.serial_number))

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _answer(server: StandIn, serial: int) -> bytes:
    made, over = datetime.now(UTC).replace(microsecond=0), serial in server.revoked
    leaf = next(each for each in server.certificates.values() if each.serial_number == serial)
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        server.issuer.certificate,
        SHA256(),
        ocsp.OCSPCertStatus.REVOKED if over else ocsp.OCSPCertStatus.GOOD,
        made,
        made + timedelta(hours=1),
        made if over else None,
        x509.ReasonFlags.superseded if over else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, server.issuer.certificate)
    return builder.sign(server.issuer.key, SHA256()).public_bytes(Encoding.DER)
