"""HTTP requests: transient failures are retried, others reported in plain words.

A server is asked up to four times, with growing pauses, if a failure is transient: a connection
that breaks off or stalls, or a status of 408, 425, 429 or 5xx. The environment variable
STYLEZOO_TIMEOUT sets how many seconds of silence count as a failure.
"""

from __future__ import annotations

import email.utils
import os
import random
import re
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from stylezoo.environment import seconds_of
from stylezoo.errors import AuthError, UnavailableError, one_line

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT_VARIABLE = "STYLEZOO_TIMEOUT"
TIMEOUT = 10.0  # seconds of silence
CONNECT_TIMEOUT = 5.0  # seconds, unless the other is less
TRIES = 4
FIRST_PAUSE = 0.2  # seconds; doubled after each try
LONGEST_WAIT = 30.0  # seconds that a server may ask to wait
LONGEST_ADDRESS = 300  # characters, in messages
LONGEST_REASON = 200  # characters
LONG_TRY = 2.0  # seconds; after a failure that took this long, the user is told
MOST_REDIRECTS = 10
FIRST_CHUNK = 256
CHUNK = 64 * 1024

_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429}
_SCHEME = re.compile(r"[A-Za-z0-9+.-]+://")
_NUMBER = re.compile(r"[0-9]{1,50}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,50})-[0-9]{1,50}|\*)/([0-9]{1,50}|\*)")
_PROXY_VARIABLES = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
_ERROR_CODE = re.compile(r"[A-Za-z]{1,64}")  # X-Error-Code, as the Hub sends it

T = TypeVar("T")


class RetryWarning(UserWarning):
    """A server has kept us waiting and is asked again; the message says which and why."""


class Passing(Exception):
    """A transient failure.

    Attributes:
        reason: in words.
        wait: seconds that the server asks to wait, if any.
    """

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


def persist(attempt: Callable[[], T], label: Callable[[], str]) -> T:
    """Retry until it works, fails for good, or the tries are used up.

    Args:
        attempt: one try, which raises Passing for a transient failure.
        label: what is tried, to start the message with.

    Raises:
        UnavailableError: the last try failed, or the server asks to wait for too long.
    """
    for tried in range(1, TRIES + 1):
        began = time.monotonic()
        try:
            return attempt()
        except Passing as failure:
            if failure.wait is not None and failure.wait > LONGEST_WAIT:
                until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(_later(failure.wait)))
                raise UnavailableError(
                    f"{label()}: {failure.reason} and asks to wait for {failure.wait:.0f} s; "
                    f"try again after {until}"
                ) from failure
            if tried == TRIES:
                raise UnavailableError(
                    f"{label()}: {failure.reason}, after {TRIES} tries; try again later"
                ) from failure
            tell_retry(f"{label()}: {failure.reason}", time.monotonic() - began)
            pause = FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1.5)
            time.sleep(max(pause, failure.wait or 0.0))
    raise AssertionError("the last try returns or raises")


def tell_retry(failure: str, seconds: float) -> None:
    """Warn that there is another try, if the failed one took long.

    Args:
        failure: in words.
        seconds: how long the failed try took.
    """
    if seconds >= LONG_TRY:
        warnings.warn(f"{failure}; trying again", RetryWarning, stacklevel=3)


def _later(wait: float) -> float:
    return time.time() + min(wait, 1e9)  # which a calendar can still show


@contextmanager
def answer(url: str, headers: dict[str, str], what: str) -> Iterator[Response]:
    """Send a request, and follow redirects where that is allowed.

    Args:
        url: ``http`` or ``https``.
        headers: to send; Authorization is not forwarded to other servers on a redirect.
        what: the thing requested, for messages.

    Yields:
        The response, whatever its status, with its body not read yet.

    Raises:
        UnavailableError: the address is not allowed, or a redirect must not be followed.
        AuthError: the token cannot be sent.
        Passing: it cannot be reached.
    """
    if not _may_be_asked(url, ("http", "https")):
        raise UnavailableError(f"{what}: {shown(url)} is not an http or https address")
    sent = {"Accept-Encoding": "identity", "User-Agent": "stylezoo"} | headers
    for _ in range(MOST_REDIRECTS + 1):
        response = _request(url, sent, what)
        try:
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or target is None:
                yield response
                return
        finally:
            response.close()
        target = _redirect(url, target, what)
        if _origin(target) != _origin(url):
            sent = {k: v for k, v in sent.items() if k.lower() not in ("authorization", "cookie")}
        url = target
    raise UnavailableError(
        f"{what}: {host_of(url)} redirects more than {MOST_REDIRECTS} times; the address may be "
        "wrong, or the server misconfigured"
    )


def _request(url: str, headers: dict[str, str], what: str) -> Response:
    import requests
    import urllib3

    timeout = timeout_seconds()
    tokens = [value for name, value in headers.items() if name.lower() == "authorization"]
    if not all(token.isascii() and token.isprintable() for token in tokens):
        # Not left to the library: its error shows the token.
        raise AuthError(
            f"{what}: the token contains a character not allowed in a header; set it again"
        )
    try:
        return _session().get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(min(timeout, CONNECT_TIMEOUT), timeout),
            # Otherwise requests would replace the token with a password from ~/.netrc.
            auth=_as_it_is if tokens else None,
        )
    except requests.exceptions.ProxyError as error:
        reason = _reason(error)
        if reason.startswith("Tunnel connection failed: 407"):
            raise _password_wanted(url, what) from error
        raise UnavailableError(
            f"{what}: {_proxy_in_words(url)} does not work: {reason}; check {_PROXY_VARIABLES}"
        ) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise UnavailableError(
                    f"{what}: the certificate of {host_of(url)} is not trusted: "
                    f"{cause.verify_message}; for a certificate of your own, set "
                    "REQUESTS_CA_BUNDLE"
                ) from error
        raise Passing(f"{host_of(url)} cannot be reached: {_reason(error)}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise invalid_address(url, what, error) from error
    except OSError as error:  # only here: those above are OSErrors too
        raise UnavailableError(
            f"{what}: the certificates to check {host_of(url)} with cannot be read: {error}; "
            "check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
        ) from error


def _password_wanted(url: str, what: str) -> UnavailableError:
    return UnavailableError(
        f"{what}: {_proxy_in_words(url)} requires a password, or refuses the one it was sent; put "
        "it in the address: http://name:password@host:port"
    )


def invalid_address(url: str, what: str, error: Exception) -> UnavailableError:
    """The error for an address, or one of a proxy or a redirect, that no request can be sent to.

    Args:
        url: the address asked for.
        what: the thing requested, for messages.
        error: of an HTTP library. Its text is not shown, as it may hold the proxy's password.
    """
    proxy = proxy_for(url)
    through, advice = "", "check the address"
    if proxy is not None:
        through = f" through the proxy {proxy}"
        advice += f" and that of the proxy, in {_PROXY_VARIABLES}"
        if proxy.startswith("socks"):
            advice += "; for a socks proxy, run: pip install pysocks socksio"
    return UnavailableError(
        f"{what}: the request to {shown(url)}{through} failed ({type(error).__name__}); {advice}"
    )


def _redirect(url: str, target: str, what: str) -> str:
    """Where a redirect leads.

    Raises:
        UnavailableError: it must not be followed.
    """
    allowed = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    try:
        joined = urljoin(url, target)
    except ValueError:
        joined = ""
    if not _may_be_asked(joined, allowed):
        raise UnavailableError(
            f"{what}: {host_of(url)} redirects to {target[:200]!r}, which is refused: "
            f"{urlsplit(url).scheme} may only redirect to {' or '.join(allowed)}"
        )
    return joined


def require_success(response: Response, what: str) -> None:
    """Raise an error for any status but 200; callers handle missing files before.

    Args:
        response: the response.
        what: the thing requested, for messages.

    Raises:
        UnavailableError, AuthError: the response is not a file.
        Passing: the next try may give one.
    """
    status, host, words = response.status_code, host_of(response.url), status_in_words(response)
    if status in _PASSING or status >= 500:
        raise Passing(f"{host} returned {words}", wait=retry_after(response.headers))
    if status in (401, 403):
        sent = "with the token that was sent" if _sent_token(response) else "without a token"
        raise AuthError(
            f"{what}: {host} refuses access {sent} ({words}); for the Hub, set "
            "HF_TOKEN to a token that may read it"
        )
    if status == 407:
        raise _password_wanted(response.url, what)
    if status != 200:
        raise UnavailableError(
            f"{what}: {host} returned {words}, which was not expected here; check the address"
        )
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise UnavailableError(
            f"{what}: {host} sent it compressed ({coding[:20]!r}), which was not requested; "
            "turn that off on the server"
        )


def refuse_page(response: Response, start: bytes | bytearray, what: str) -> None:
    """Refuse a web page: a captive portal answers every request with one.

    Args:
        response: the response.
        start: of its body.
        what: the thing requested, for messages.

    Raises:
        UnavailableError: it is a web page.
    """
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise UnavailableError(
            f"{what}: {host_of(response.url)} sent a web page: it is not a registry or hub, or a "
            "captive portal is in the way; open the address in a browser"
        )


def body(response: Response, limit: int) -> Iterator[bytes]:
    """The body as received, never decompressed, up to a number of bytes, in pieces as they come.

    The first is long enough to recognise a web page; the others may be short, so that a slow
    server is seen to make progress.

    Args:
        response: the response.
        limit: in bytes; no more is read.

    Raises:
        Passing: the connection breaks off or stalls.
    """
    import urllib3

    length = content_length(response)
    left = limit if length is None else min(limit, length)  # Python's read1 may read past the end
    read, most = response.raw.read, FIRST_CHUNK
    while left > 0:
        try:
            chunk: bytes = read(min(most, left), decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Passing(f"{host_of(response.url)}: {_reason(error)}") from error
        if not chunk:
            return
        left -= len(chunk)
        yield chunk
        read, most = getattr(response.raw, "read1", read), CHUNK  # urllib3 1 has no read1


def content_length(response: Response) -> int | None:
    """The announced length of the body, in bytes; None if the server does not say."""
    text = response.headers.get("Content-Length", "")
    return int(text) if _NUMBER.fullmatch(text) else None


def content_range(response: Response) -> tuple[int | None, int | None]:
    """The first byte and the total size, where given."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start, total = match.groups()
    return int(start) if start else None, int(total) if total != "*" else None


def shown(url: str) -> str:
    """An address for display, without what may be secret in it: password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid address"
    host = parts.netloc.rpartition("@")[2]
    address = SplitResult(parts.scheme, host, parts.path, "", "").geturl()
    return one_line(address, LONGEST_ADDRESS)  # a redirect may lead to any


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait, from its headers; None if it asks for none.

    RFC 9110, section 10.2.3: a number or a date.
    """
    text = headers.get("Retry-After", "").strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        date = email.utils.parsedate_to_datetime(text)
        return max(0.0, date.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def status_in_words(response: Response) -> str:
    """The status in words, such as ``404 Not Found``; on the Hub, ``RevisionNotFound`` too."""
    reason = "".join(letter for letter in (response.reason or "")[:50] if letter.isprintable())
    code = response.headers.get("X-Error-Code", "")
    words = f"{response.status_code} {reason}".strip()
    return f"{words}, {code}" if _ERROR_CODE.fullmatch(code) else words


def _sent_token(response: Response) -> bool:
    return "Authorization" in response.request.headers


def _as_it_is(request: T) -> T:
    return request


_sessions = threading.local()


def _session() -> Session:
    """A session of this thread and process, which keeps connections open between files."""
    if getattr(_sessions, "process", None) != os.getpid():
        from http.cookiejar import DefaultCookiePolicy

        import requests

        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Otherwise requests, though told to follow no redirects, decompresses the body of each.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        _sessions.session, _sessions.process = session, os.getpid()
    return _sessions.session  # type: ignore[no-any-return]


def timeout_seconds() -> float:
    """The seconds of silence that count as a failure: STYLEZOO_TIMEOUT, or ten.

    Raises:
        OptionError: the variable is not a number of seconds.
    """
    return seconds_of(TIMEOUT_VARIABLE, TIMEOUT)


def host_of(url: str) -> str:
    """The host and port of an address, for messages."""
    return one_line(urlsplit(url).netloc.rpartition("@")[2], LONGEST_ADDRESS)


def _may_be_asked(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port out of range
        return False


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def proxy_for(url: str) -> str | None:
    """The proxy from the environment for an address, without its password; None for none."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    scheme = _SCHEME.match(proxy)
    # A password may hold any character, even those that it should not.
    host = (proxy[scheme.end() :] if scheme else proxy).rpartition("@")[2]
    return shown(f"{scheme[0] if scheme else 'http://'}{host}")


def _proxy_in_words(url: str) -> str:
    return f"the proxy {proxy_for(url) or ''}".rstrip()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it wraps: requests wraps urllib3's, which wrap the system's."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    causes = list(_causes(error))
    if any("timed out" in str(cause) for cause in causes):
        return f"no response for {timeout_seconds():g} s"
    system = [c.strerror for c in causes if isinstance(c, OSError) and c.strerror]
    if system:
        return str(system[-1])
    if any(isinstance(cause, HTTPException) for cause in causes):
        return "the connection was lost"
    # Such as "Tunnel connection failed: 403 Forbidden", with the words of a proxy.
    return one_line(str(causes[-1]), LONGEST_REASON) or "the connection was lost"
