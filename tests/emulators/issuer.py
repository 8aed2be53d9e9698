"""A stand-in for Google's token issuer: a key, its certificate served on loopback, ID tokens signed with it.

It also plays the metadata server, where a scheduler of this machine asks for a token.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from infra.local.server import free_port

ISSUER = "https://accounts.google.com"
LIFETIME_SECONDS = 3600


class Key:
    """A key as an issuer holds it: it signs, and its certificate proves what it signed."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(65537, 2048)
        certificate = _certificate(self._private)
        self.id = certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - a name, as Google's are
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a signed JWT. What `header` holds replaces the usual; None leaves it out."""
        head = {"alg": "RS256", "kid": self.id, "typ": "JWT"} | header
        signed = f"{segment(_without_none(head))}.{segment(claims)}"
        return f"{signed}.{_base64(self._private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Issuer:
    """Google, as far as ID tokens go, on 127.0.0.1 and the same port each time it is started."""

    def __init__(self) -> None:
        self.port = free_port()
        self.fetched = 0
        self._keys = [Key()]
        self._server: ThreadingHTTPServer | None = None

    @property
    def certs_url(self) -> str:
        """Return where the certificates are: JSON, key id to PEM."""
        return f"http://127.0.0.1:{self.port}/certs"

    @property
    def token_url(self) -> str:
        """Return where a scheduler asks for a token, with `audience` and `email` in the query."""
        return f"http://127.0.0.1:{self.port}/token"

    @property
    def key(self) -> Key:
        """Return the key that signs now."""
        return self._keys[-1]

    def claims(self, audience: str, email: str, /, **changed: Any) -> dict[str, Any]:
        """Return what an ID token of a service account says. What is `changed` replaces the usual; None leaves it out."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": audience, "email": email, "email_verified": True, "azp": "1", "sub": "1"}
        return _without_none(usual | {"iat": now, "exp": now + LIFETIME_SECONDS} | changed)

    def token(self, audience: str, email: str, /, **changed: Any) -> str:
        """Return an ID token of a service account, signed."""
        return self.key.sign(self.claims(audience, email, **changed))

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on. The old certificate stays published unless it is withdrawn."""
        self._keys = [*([] if withdraw else self._keys), Key()]

    def certificates(self) -> dict[str, str]:
        """Return what is published."""
        return {key.id: key.certificate for key in self._keys}

    def start(self) -> Self:
        """Serve from now on."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="issuer", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop answering; the keys stay."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/certs":
                issuer.fetched += 1
                self._answer(200, json.dumps(issuer.certificates()), "application/json")
            elif parts.path == "/token" and {"audience", "email"} <= set(asked):
                self._answer(200, issuer.token(asked["audience"], asked["email"]), "text/plain")
            else:
                self._answer(404, "", "text/plain")

        def _answer(self, status: int, body: str, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Write nothing: the addresses hold accounts."""

    return Handler


def segment(value: dict[str, Any]) -> str:
    """Return a part of a JWT."""
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.invalid")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    return built.sign(key, hashes.SHA256())
