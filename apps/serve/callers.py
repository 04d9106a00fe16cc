"""Who may ask: by the key, by the name that the server is called by, and not from other sites."""

import hmac
import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase

from starlette.datastructures import Headers

from apps.serve.errors import ServingError

WITHOUT_KEY = ("/", "/healthz")  # they reveal nothing of the models
BY_ANY_NAME = ("/healthz",)  # load balancers use names of their own
LOOPBACK = ("localhost", "*.localhost", "127.0.0.1", "::1")
ANY = "*"
SAME_SITE = ("same-origin", "same-site", "none")  # none: the user's own doing
JSON = "application/json"


class Callers:
    """Which requests are answered, whatever they ask.

    A browser sends requests for any page that it shows. A page of another site reaches a server
    behind a firewall by a name of its own that leads to the server's address (DNS rebinding).
    So a server answers only to the names in its list. A page may also send a POST that the
    browser takes for a form, without asking the server first. So what comes from another site must
    be JSON, about which a browser asks, and is told yes only for the sites in the list.

    Args:
        api_key: The key that a request must have in its header `Authorization: Bearer` or
            `X-API-Key`, or None if it needs none.
        hosts: Names and addresses by which the server may be called, besides those of loopback.
            `*.example.org` stands for all names below, and `*` for any.
        origins: Other sites whose pages may send requests.
    """

    def __init__(
        self,
        api_key: str | None = None,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ):
        self.keys = () if api_key is None else _as_bytes(api_key)
        self.hosts = {*LOOPBACK, *(host.lower().strip("[]") for host in hosts)}
        self.patterns = [host for host in self.hosts if ANY in host]
        # A server on all addresses of its machine does not know them. They are no names, so that
        # nobody can rebind them.
        self.any_address = any(_is_unspecified(host) for host in self.hosts)
        self.origins = frozenset(origins)

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Refuse a request that may not be answered.

        Raises:
            ServingError: If it may not.
        """
        if path not in BY_ANY_NAME:
            self._check_host(headers)
        if self.keys and path not in WITHOUT_KEY:
            self._check_key(headers)
        if method == "POST":
            self._check_site(headers)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        if not given:  # no browser leaves it out
            return
        name = hostname(given[0])
        known = name in self.hosts or any(fnmatchcase(name, host) for host in self.patterns)
        if len(given) > 1 or not (known or (self.any_address and _is_address(name))):
            raise ServingError(
                "PERMISSION_DENIED",
                f"This server does not answer to the name {name[:80]!r}; if the name is its own, "
                "start it with --allow-hosts",
            )

    def _check_key(self, headers: Headers) -> None:
        given = headers.get("x-api-key") or headers.get("authorization", "")
        # Headers are bytes, which the framework shows as Latin-1.
        sent = given.removeprefix("Bearer ").encode("latin-1")
        if not any(hmac.compare_digest(sent, key) for key in self.keys):
            raise ServingError(
                "UNAUTHENTICATED", "This server requires an API key, in the header X-API-Key"
            )

    def _check_site(self, headers: Headers) -> None:
        if headers.get("content-type", "").partition(";")[0].strip().lower() == JSON:
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is None:
            own = origin is None or origin.partition("://")[2] == headers.get("host")
        else:
            own = site in SAME_SITE
        if not own and origin not in self.origins:
            raise ServingError(
                "PERMISSION_DENIED", f"A page of another site must send its request as {JSON}"
            )


def hostname(host: str) -> str:
    """Return the name or address in a header `Host`, without the port, in small letters."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _as_bytes(key: str) -> tuple[bytes, ...]:
    """Return a key as clients may send it: in UTF-8, or in Latin-1 if that has all its letters."""
    utf8 = key.encode("utf-8", "surrogateescape")
    try:
        return utf8, key.encode("latin-1")
    except UnicodeEncodeError:
        return (utf8,)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_unspecified(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_unspecified
