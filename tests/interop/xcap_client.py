"""An XCAP client on Python's own HTTP library, which is what Blink's XCAP library is made of.

Credentials are given out in one realm only, the domain of the address. Whatever would break Blink is an error:
a weak or missing entity tag where a document exists, chunks, encodings, a response without length.
"""

import asyncio
import ssl
import urllib.error
import urllib.request

from driver import Driver


class Opener:
    """Sends requests for one user; `scheme` is digest, basic or none."""

    def __init__(self, root, user, password, realm, scheme):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        handlers = [urllib.request.HTTPSHandler(context=context)]
        self.credentials = None
        if scheme != "none":
            passwords = urllib.request.HTTPPasswordMgr()
            passwords.add_password(realm, root, user, password)
            handler = {"digest": urllib.request.HTTPDigestAuthHandler, "basic": urllib.request.HTTPBasicAuthHandler}
            self.credentials = handler[scheme](passwords)
            handlers.append(self.credentials)
        self.opener = urllib.request.build_opener(*handlers)

    def send(self, method, url, headers, body):
        if isinstance(self.credentials, urllib.request.HTTPDigestAuthHandler):
            # It counts what fails after a challenge as if the credentials were at fault.
            self.credentials.reset_retry_count()
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=60) as response:
                return self.describe(method, response)
        except urllib.error.HTTPError as response:
            with response:
                return self.describe(method, response)

    def describe(self, method, response):
        headers = {}
        for name, value in response.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        body = response.read().decode("utf-8")
        if "transfer-encoding" in headers or "content-encoding" in headers:
            raise RuntimeError(f"chunks or an encoding: {headers}")
        if response.status != 304 and "content-length" not in headers:
            raise RuntimeError(f"no length: {response.status} {headers}")
        tag = headers.get("etag", [None])[0]
        is_about_document = response.status in (200, 201) and method != "DELETE"
        if is_about_document and not (tag and tag.startswith('"') and tag.endswith('"') and len(tag) > 2):
            raise RuntimeError(f"no strong entity tag: {headers}")
        return {"status": response.status, "headers": headers, "body": body}


class Client(Driver):
    FAULTS = Driver.FAULTS + (ValueError, UnicodeError)

    async def start(self, root, user, password, realm, scheme="digest"):
        self.root = root
        self.opener = Opener(root, user, password, realm, scheme)

    async def send(self, method, path, headers=None, body=None):
        data = body.encode("utf-8") if isinstance(body, str) else bytes(body) if body is not None else None
        sending = asyncio.to_thread(self.opener.send, method, self.root + path, headers or {}, data)
        return await sending


if __name__ == "__main__":
    asyncio.run(Client().run())
