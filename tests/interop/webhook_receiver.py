"""A program on the web that automated rules tell of signals. Stands alone: the standard library is enough.

Prints {"event": "listening", "port": N}, then for each request {"event": "posted", "path", "type",
"signature", "body", "genuine"}; "genuine" says whether the signature is that of the key "secret".
Paths: /fail answers 503 the first two times, /refuse answers 404 always, everything else 204.
"""

import hashlib
import hmac
import json
from http.server import BaseHTTPRequestHandler, HTTPServer


def tell(event):
    print(json.dumps(event), flush=True)


class Receiver(BaseHTTPRequestHandler):
    failures = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = self.headers.get("X-Rollcall-Signature", "")
        expect = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        tell({
            "event": "posted",
            "path": self.path,
            "type": self.headers["Content-Type"],
            "signature": signature,
            "genuine": hmac.compare_digest(signature, expect),
            "body": json.loads(body),
        })
        status = 204
        if self.path == "/fail" and Receiver.failures < 2:
            Receiver.failures += 1
            status = 503
        if self.path == "/refuse":
            status = 404
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    tell({"event": "listening", "port": server.server_address[1]})
    server.serve_forever()


if __name__ == "__main__":
    main()
