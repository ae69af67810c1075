"""Downloads over HTTP: files that arrive whole and right, or not at all.

A server is asked four times, with growing pauses, where a failure may pass: a connection that
breaks off or stalls, and the answers 408, 429 and 5xx. The environment variable STYLEZOO_TIMEOUT
sets how many seconds of silence are a failure.
"""

from __future__ import annotations

import email.utils
import errno
import math
import os
import random
import re
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import (
    AuthError,
    CacheError,
    IntegrityError,
    OptionError,
    RegistryError,
    RegistryFormatError,
    UnavailableError,
)
from stylezoo.registry.transport import Progress
from stylezoo.registry.verify import sha256_of

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT_VARIABLE = "STYLEZOO_TIMEOUT"
TIMEOUT = 10.0  # seconds of silence
CONNECT_TIMEOUT = 5.0  # seconds, if the other is not less
TRIES = 4
FIRST_PAUSE = 0.2  # seconds; doubled after each try
LONGEST_WAIT = 30.0  # seconds that a server may ask to wait
MOST_REDIRECTS = 10
CHUNK = 64 * 1024

_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_NUMBER = re.compile(r"[0-9]{1,50}")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,50})-[0-9]{1,50}|\*)/([0-9]{1,50}|\*)")
_ERROR_CODE = re.compile(r"[A-Za-z]{1,64}")  # X-Error-Code, as the Hub sends it

T = TypeVar("T")


class _Passing(Exception):
    """A failure that may pass.

    Attributes:
        reason: in words.
        wait: seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        self.reason = reason
        self.wait = wait
        super().__init__(reason)


class _OtherFile(Exception):
    """What the server has is not the file that is wanted; the message says why."""


def download(
    url: str,
    part: Path,
    *,
    size: int,
    sha256: str,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    what: str = "",
) -> None:
    """Bring one file into ``part``, checked.

    Args:
        url: ``http`` or ``https``. The proxies of the environment are used.
        part: file to write. One that exists is the start of an earlier try, and is gone on with.
        size: of the file, in bytes; no more is ever read.
        sha256: of the file.
        headers: to send. Authorization goes to no other server by a redirect.
        progress: told the bytes so far.
        what: the file in words, for messages; by default, the address.

    Raises:
        IntegrityError: what comes is not the file, twice; ``part`` is gone then.
        UnavailableError: the server is not reached, or does not answer as it should; ``part`` may
            stay, for the next run to go on with.
        AuthError: the server refuses access.
        RegistryError: the server has no such file.
        CacheError: ``part`` cannot be written.
    """
    what = what or shown(url)
    for _ in range(2):
        try:
            _complete(url, part, size, dict(headers or {}), progress, what)
            reason = _difference(part, sha256)
        except _OtherFile as difference:
            reason = str(difference)
        if reason is None:
            return
        _remove(part)
    raise IntegrityError(
        f"{what} is not what the registry says it is: {reason}; it was fetched twice from "
        f"{shown(url)}. Tell the maintainers of the registry"
    )


def read(
    url: str, *, limit: int, headers: Mapping[str, str] | None = None, what: str = ""
) -> bytes | None:
    """Read a small file.

    Args:
        url: ``http`` or ``https``. The proxies of the environment are used.
        limit: in bytes; one byte more is read at most.
        headers: to send. Authorization goes to no other server by a redirect.
        what: the file in words, for messages; by default, the address.

    Returns:
        Its content; None if the server has no such file.

    Raises:
        RegistryFormatError: it is longer than the limit.
        UnavailableError: the server is not reached, or does not answer as it should.
        AuthError: the server refuses access.
    """
    what = what or shown(url)

    def attempt() -> bytes | None:
        with _answer(url, dict(headers or {}), what) as response:
            if response.status_code in (404, 410):
                return None
            _require_success(response, what)
            length = _content_length(response)
            content = b""
            if length is None or length <= limit:
                content = b"".join(_body(response, limit + 1))
            if len(content) > limit or (length or 0) > limit:
                raise RegistryFormatError(f"{what} is longer than the {limit} bytes it may have")
            if length is not None and len(content) < length:
                raise _Passing("the connection broke off")
            _refuse_page(response, content, what)
            return content

    return _persist(attempt, lambda: what)


def shown(url: str) -> str:
    """An address for people to read, without what may be secret in it: password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, host, parts.path, "", "").geturl()


def _complete(
    url: str,
    part: Path,
    size: int,
    headers: dict[str, str],
    progress: Progress | None,
    what: str,
) -> None:
    """Bring ``part`` to its full size.

    Raises:
        _OtherFile: the server's file has another size.
    """

    def attempt() -> None:
        here = _bytes_here(part, size)
        if progress is not None:
            progress(here)
        if here == size:
            return
        wanted = headers | ({"Range": f"bytes={here}-"} if here else {})
        with _answer(url, wanted, what) as response:
            start = _start(response, here, size, what)
            _write_body(response, part, start, size, progress, what)

    def label() -> str:
        return f"{what} ({_bytes_here(part, size)} of {size} bytes are here)"

    _persist(attempt, label)


def _start(response: Response, here: int, size: int, what: str) -> int:
    """From which byte the answer goes on."""
    status = response.status_code
    if status in (404, 410):
        raise RegistryError(f"{_host(response.url)} has no {what} ({_status(response)})")
    if status == 416:
        # Either the file has another size, or the server answers no ranges at the end of it.
        total = _content_range(response)[1]
        if total is None or total == size:
            raise _OtherFile("the server cannot go on with it")
        raise _OtherFile(f"it has {total} bytes, not {size}")
    if status == 206:
        start, total = _content_range(response)
        if start != here:
            raise _OtherFile("the server sends another part of it than the one asked for")
        if total is not None and total != size:
            raise _OtherFile(f"it has {total} bytes, not {size}")
        return here
    _require_success(response, what)
    length = _content_length(response)
    if length is not None and length != size:
        # A page instead of the file is worth another message.
        _refuse_page(response, next(_body(response, min(size, 1024)), b""), what)
        raise _OtherFile(f"it has {length} bytes, not {size}")
    return 0


def _write_body(
    response: Response, part: Path, start: int, size: int, progress: Progress | None, what: str
) -> None:
    chunks = _body(response, size - start)
    first = next(chunks, b"")
    if start == 0:
        _refuse_page(response, first, what)
    here = start
    with _writing(part, start) as write:
        for chunk in chain((first,), chunks):
            write(chunk)
            here += len(chunk)
            if progress is not None:
                progress(here)
    if here < size:
        raise _Passing("the connection broke off")


def _persist(attempt: Callable[[], T], label: Callable[[], str]) -> T:
    """Try until it works, the failure is one that does not pass, or the tries are used up."""
    for tried in range(1, TRIES + 1):
        try:
            return attempt()
        except _Passing as failure:
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
            pause = FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1.5)
            time.sleep(max(pause, failure.wait or 0.0))
    raise AssertionError("the last try returns or raises")


def _later(wait: float) -> float:
    return time.time() + min(wait, 1e9)  # what a calendar can show


@contextmanager
def _answer(url: str, headers: dict[str, str], what: str) -> Iterator[Response]:
    """Ask, and follow redirects to where they may lead."""
    if not _may_be_asked(url, ("http", "https")):
        raise UnavailableError(f"{what}: {shown(url)} is no http or https address")
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
        f"{what}: {_host(url)} redirects more than {MOST_REDIRECTS} times; the address may be "
        "wrong, or the server out of order"
    )


def _request(url: str, headers: dict[str, str], what: str) -> Response:
    import requests

    timeout = timeout_seconds()
    carries_token = any(name.lower() == "authorization" for name in headers)
    try:
        return _session().get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(min(timeout, CONNECT_TIMEOUT), timeout),
            # Else requests would put a password from ~/.netrc in the token's place.
            auth=_as_it_is if carries_token else None,
        )
    except requests.exceptions.ProxyError as error:
        raise UnavailableError(
            f"{what}: {_proxy_in_words(url)} does not work: {_reason(error)}; check HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY and NO_PROXY"
        ) from error
    except (requests.exceptions.InvalidHeader, UnicodeError):
        # Without its cause: that would print the token.
        raise AuthError(
            f"{what}: the token holds a character that no header may have; set it anew"
        ) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise UnavailableError(
                    f"{what}: the certificate of {_host(url)} is not trusted: "
                    f"{cause.verify_message}; for a certificate of your own, set "
                    "REQUESTS_CA_BUNDLE"
                ) from error
        raise _Passing(f"{_host(url)} cannot be reached: {_reason(error)}") from error
    except requests.RequestException as error:
        raise UnavailableError(
            f"{what}: {shown(url)} cannot be asked ({type(error).__name__}); check the address"
        ) from error


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
            f"{what}: {_host(url)} redirects to {target[:200]!r}, which is refused: from "
            f"{urlsplit(url).scheme} only {' and '.join(allowed)} may follow"
        )
    return joined


def _require_success(response: Response, what: str) -> None:
    """Raise what an answer other than 200 means; a missing file is the caller's to judge."""
    status, host, answer = response.status_code, _host(response.url), _status(response)
    if status in _PASSING or status >= 500:
        raise _Passing(f"{host} answers {answer}", wait=retry_after(response.headers))
    if status in (401, 403):
        sent = "with the token that was sent" if _sent_token(response) else "without a token"
        raise AuthError(
            f"{what}: {host} refuses access {sent} ({answer}); for the Hub, set "
            "HF_TOKEN to a token that may read it"
        )
    if status == 407:
        raise UnavailableError(
            f"{what}: {_proxy_in_words(response.url)} wants a password; write it into the "
            "address: http://name:password@host:port"
        )
    if status != 200:
        raise UnavailableError(
            f"{what}: {host} answers {answer}, which is no answer to this; check the address"
        )
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raise UnavailableError(
            f"{what}: {host} sends it compressed ({coding[:20]!r}), which was not asked for; "
            "switch that off on the server"
        )


def _refuse_page(response: Response, start: bytes, what: str) -> None:
    """Refuse a page of the web: a portal that asks to log in answers all addresses with one.

    Raises:
        UnavailableError: it is one.
    """
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise UnavailableError(
            f"{what}: {_host(response.url)} sends a web page: it is not a registry or hub, or a "
            "captive portal stands before it; open the address in a browser"
        )


def _body(response: Response, limit: int) -> Iterator[bytes]:
    """The body as it comes over the wire, never decompressed, up to a number of bytes."""
    import urllib3

    left = limit
    while left > 0:
        try:
            chunk: bytes = response.raw.read(min(CHUNK, left), decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Passing(f"{_host(response.url)}: {_reason(error)}") from error
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _content_length(response: Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _content_range(response: Response) -> tuple[int | None, int | None]:
    """The first byte and the size of the whole, where they are given."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start, total = match.groups()
    return int(start) if start else None, int(total) if total != "*" else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait, in an answer's headers; None if it asks for none.

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


def _status(response: Response) -> str:
    """Such as ``404 Not Found``, and what the Hub adds to it, such as ``RevisionNotFound``."""
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
        # Else requests, which is told to follow no redirect, still unpacks the body of each.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
        _sessions.session, _sessions.process = session, os.getpid()
    return _sessions.session  # type: ignore[no-any-return]


def timeout_seconds() -> float:
    """How many seconds of silence are a failure: those of STYLEZOO_TIMEOUT, or ten.

    Raises:
        OptionError: the variable is no number of seconds.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    if not text:
        return TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # Written so that NaN fails too.
    if not 0 < seconds < 1e6:
        raise OptionError(f"{TIMEOUT_VARIABLE} is {text!r}; set it to a number of seconds")
    return seconds


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


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
    """The proxy of the environment for an address, without its password; None for none."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return shown(proxy) if proxy else None


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
        return f"no answer for {timeout_seconds():g} s"
    system = [c.strerror for c in causes if isinstance(c, OSError) and c.strerror]
    return str(system[-1]) if system else "the connection broke off"


def _bytes_here(part: Path, size: int) -> int:
    """How much of a file an earlier try left; what is no part of it is removed.

    Raises:
        CacheError: it cannot be removed.
    """
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    except OSError as error:
        _fail_to_write(part, error)
    if stat.S_ISREG(status.st_mode) and status.st_size <= size:
        return status.st_size
    _remove(part)
    return 0


def _difference(part: Path, sha256: str) -> str | None:
    try:
        found = sha256_of(part)
    except OSError as error:
        _fail_to_write(part, error)
    return None if found == sha256 else f"its sha256 is {found}, not {sha256}"


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        _fail_to_write(part, error)


@contextmanager
def _writing(part: Path, start: int) -> Iterator[Callable[[bytes], None]]:
    """Open a part, to write from a byte on; a link in its place is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(part, flags, 0o666)
    except OSError as error:
        _fail_to_write(part, error)

    def write(chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:  # a disk that is nearly full takes a part
                left = left[os.write(descriptor, left) :]
        except OSError as error:
            _fail_to_write(part, error)

    try:
        os.ftruncate(descriptor, start)
        os.lseek(descriptor, start, os.SEEK_SET)
        yield write
    finally:
        os.close(descriptor)


def _fail_to_write(part: Path, error: OSError) -> NoReturn:
    """Raise what an error of the disk means; a full disk is not left full."""
    if error.errno in _DISK_FULL:
        part.unlink(missing_ok=True)
    raise CacheError(
        f"{part} cannot be written: {error.strerror or error}; make room there, or choose another "
        f"folder with {CACHE_VARIABLE}"
    ) from error
