"""
The server's side of logging in, for the gate before a broker of the tests.

The rule: each proof is worked out here, by no library of the client's.

Source: RFC 4616 (PLAIN), RFC 5802 (SCRAM), RFC 7628 (OAUTHBEARER), and AWS documentation, "Create a signed AWS API
request", with the signature in the query.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl, quote, urlsplit

_SALT, _NONCE, _ITERATIONS = b"of this gate", "gate", 4096


class Refused(Exception):
    """The client is not who it says that it is."""


@dataclass(frozen=True, kw_only=True)
class Users:
    """Who is let in."""

    secrets: Mapping[str, str]
    """A password by user or, with IAM, a secret key by access key."""
    session_token: str = ""
    """That of the role, with IAM."""
    region: str = "us-east-1"
    lets_anyone_in: bool = False
    """Whether a wrong proof of SCRAM passes, as it would with one who only plays the broker."""


Exchange = Generator[bytes, bytes, bytes]
"""Is sent what a client says and yields the answers, returns the last one, or raises Refused."""


def _plain(users: Users) -> Exchange:
    _, user, password = (yield b"").decode().split("\0")
    if users.secrets.get(user) != password:
        raise Refused("Authentication failed: invalid user or password")
    return b""


def _scram(digest: str, users: Users) -> Exchange:
    mac = partial(hmac.digest, digest=digest)
    first = (yield b"").decode().removeprefix("n,,")
    said = dict(part.split("=", 1) for part in first.split(","))
    asked = f"r={said['r']}{_NONCE},s={base64.b64encode(_SALT).decode()},i={_ITERATIONS}"
    final = (yield asked.encode()).decode()
    unproven, _, proof = final.rpartition(",p=")
    assert unproven == f"c=biws,r={said['r']}{_NONCE}"
    salted = hashlib.pbkdf2_hmac(digest, users.secrets.get(said["n"], "").encode(), _SALT, _ITERATIONS)
    key, message = mac(salted, b"Client Key"), f"{first},{asked},{unproven}".encode()
    signature = mac(hashlib.new(digest, key).digest(), message)
    proven = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True)) == key
    if not (proven or users.lets_anyone_in):
        raise Refused("Authentication failed: invalid user or password")
    return b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), message))


def _bearer(users: Users) -> Exchange:
    said = (yield b"").decode()
    if fault := _fault_of_token(said.partition("auth=Bearer ")[2].strip("\x01"), users):
        yield b'{"status":"invalid_token"}'
        raise Refused(f"Authentication failed: {fault}")
    return b""


def _fault_of_token(token: str, users: Users) -> str | None:
    """Return what is wrong with a signed URL, if anything is."""
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    query = dict(parse_qsl(url.query))
    wanted = {"Action": "kafka-cluster:Connect", "X-Amz-SignedHeaders": "host"}
    if url.hostname != f"kafka.{users.region}.amazonaws.com" or not wanted.items() <= query.items():
        return f"it is no token of {users.region}"
    if query.get("X-Amz-Security-Token", "") != users.session_token:
        return "it is of another role"
    access_key, *scope = query["X-Amz-Credential"].split("/")
    signed = sorted(item for item in query.items() if item[0] not in {"X-Amz-Signature", "User-Agent"})
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in signed)
    empty = hashlib.sha256().hexdigest()
    request = "\n".join(("GET", "/", text, f"host:{url.hostname}", "", "host", empty))
    digest = hashlib.sha256(request.encode()).hexdigest()
    asked = "\n".join((query["X-Amz-Algorithm"], query["X-Amz-Date"], "/".join(scope), digest))
    key = f"AWS4{users.secrets.get(access_key, '')}".encode()
    for part in (*scope, asked):
        key = hmac.digest(key, part.encode(), "sha256")
    return None if key.hex() == query["X-Amz-Signature"] else "its signature is wrong"


MECHANISMS: Mapping[str, Callable[[Users], Exchange]] = {
    "PLAIN": _plain,
    "SCRAM-SHA-256": partial(_scram, "sha256"),
    "SCRAM-SHA-512": partial(_scram, "sha512"),
    "OAUTHBEARER": _bearer,
}
