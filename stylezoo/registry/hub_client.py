"""A client for the Hugging Face Hub: huggingface_hub with time limits, retries and our errors.

That library knows the Hub's addresses, tokens and calls, but by itself it waits for a response
forever and lets through the errors of whichever HTTP library it uses. Here every call has a time
limit, transient failures are retried, and errors are those of ``stylezoo.errors``.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from stylezoo.errors import (
    AuthError,
    OfflineError,
    OptionError,
    RegistryError,
    StyleZooError,
    UnavailableError,
)
from stylezoo.registry.web import (
    FIRST_PAUSE,
    LONGEST_WAIT,
    TRIES,
    invalid_address,
    proxy_for,
    retry_after,
    shown,
    tell_retry,
    timeout_seconds,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ENDPOINT_VARIABLE = "HF_ENDPOINT"
PUBLIC_ENDPOINT = "https://huggingface.co"

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A full commit: the only revision whose files can never change."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
# Raised on reading a response that is not JSON, or not as the Hub's API specifies.
_NO_ANSWER = (
    json.JSONDecodeError,
    UnicodeDecodeError,
    RecursionError,
    LookupError,
    TypeError,
    AttributeError,
)
_ADDRESS = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_SENDABLE = re.compile(r"[!-~]+")

_THREAD = "stylezoo-hub"

T = TypeVar("T")


class HubRefusal(Exception):
    """The Hub refused a request. Callers must handle it: users never see this exception.

    Attributes:
        status: HTTP status code.
        missing: whether the repository does not exist, or is hidden from the caller.
        words: the Hub's message; may be empty.
    """

    def __init__(self, status: int, *, missing: bool, words: str) -> None:
        self.status = status
        self.missing = missing
        self.words = words
        super().__init__(f"{status} {words}")


class _TooLate(Exception):
    """No response arrived in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HubFile:
    """A file of a commit, as the Hub describes it.

    Attributes:
        size: in bytes.
        sha256: of a large file; None for others.
        blob: git's blob id of the content of a file that is not large.
    """

    size: int
    sha256: str | None
    blob: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HubRepositoryInfo:
    """What the Hub reports about a repository.

    Attributes:
        head: the commit at the head of branch main.
        private: whether others cannot read it.
    """

    head: str
    private: bool


class HubClient:
    """Calls the Hub at HF_ENDPOINT, with the token from HF_TOKEN or ``hf auth login``."""

    def __init__(self) -> None:
        self.endpoint = hub_endpoint()

    def file_url(self, repository: str, path: str, revision: str) -> str:
        """The address of a file of a repository."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(repository, path, revision=revision, endpoint=self.endpoint)

    def headers(self) -> dict[str, str]:
        """The headers of a request to the Hub: the token, if there is one.

        Raises:
            AuthError: the token cannot be sent.
        """
        token = self.token()
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def token(self) -> str | None:
        """The user's token; None if there is none, or HF_HUB_DISABLE_IMPLICIT_TOKEN is set.

        Raises:
            AuthError: it holds a character that cannot be sent.
        """
        from huggingface_hub import constants, get_token

        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        # The HTTP library's own error would print it.
        if token is not None and not _SENDABLE.fullmatch(token):
            raise AuthError(
                "the token for the Hub contains a character that cannot be sent; set HF_TOKEN "
                "again, or run: hf auth login"
            )
        return token

    def tags(self, repository: str) -> dict[str, str]:
        """The tags of a repository and the full commit that each points to.

        Raises:
            HubRefusal: there is no such repository.
            AuthError, UnavailableError: see ``call``.
        """
        refs = self.call(
            lambda api: api.list_repo_refs(repository), what=f"the tags of {repository}"
        )
        return {tag.name: self.checked_commit(tag.target_commit, tag.name) for tag in refs.tags}

    def repository(self, repository: str) -> HubRepositoryInfo:
        """What the Hub reports about a repository.

        Raises:
            HubRefusal: there is none.
            AuthError, UnavailableError: see ``call``.
        """
        info = self.call(
            lambda api: api.model_info(repository, revision="main"),
            what=f"the repository {repository}",
        )
        return HubRepositoryInfo(
            head=self.checked_commit(info.sha, "main"), private=bool(info.private)
        )

    def files(self, repository: str, commit: str) -> dict[str, HubFile]:
        """The files of a commit by path.

        Raises:
            HubRefusal: there is no such repository or commit.
            AuthError, UnavailableError: see ``call``.
        """

        def ask(api: HfApi) -> list[Any]:
            return list(api.list_repo_tree(repository, recursive=True, revision=commit))

        entries = self.call(ask, what=f"the files of {repository}")
        return {
            entry.path: HubFile(
                size=entry.size, sha256=entry.lfs and entry.lfs.sha256, blob=entry.blob_id
            )
            for entry in entries
            if hasattr(entry, "blob_id")
        }

    def repositories_of(self, owner: str) -> list[str]:
        """The repositories of an owner, if quickly available; only for hints in messages."""

        def ask(api: HfApi) -> list[str]:
            return [str(model.id) for model in api.list_models(author=owner, limit=200)]

        try:
            return self.call(ask, what=f"the repositories of {owner}", tries=1)
        except (HubRefusal, AuthError, UnavailableError):
            return []

    def checked_commit(self, commit: Any, of: str) -> str:
        """Check that a commit is a full one, as it becomes part of addresses.

        Raises:
            RegistryError: it is not.
        """
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise RegistryError(
                f"{shown(self.endpoint)} says that {of[:100]!r} is at {str(commit)[:100]!r}, "
                "which is not a commit of 40 hex digits; it is not a Hub, or is misconfigured; "
                f"check {ENDPOINT_VARIABLE}"
            )
        return commit

    def call(
        self,
        function: Callable[[HfApi], T],
        *,
        what: str,
        tries: int = TRIES,
        limit: float | None = None,
    ) -> T:
        """Call the Hub, with retries.

        Args:
            function: makes the call, with the methods of an ``HfApi``.
            what: the thing that is wanted, in words.
            tries: number of attempts; 1 for anything that must not be done twice.
            limit: seconds for each attempt; None for the timeout of downloads.

        Returns:
            What the function returns.

        Raises:
            HubRefusal: the Hub refuses the request.
            AuthError: it refuses access.
            UnavailableError: it cannot be reached, or its response is invalid or too late.
            OfflineError: huggingface_hub was told to stay offline.
        """
        from huggingface_hub import HfApi

        from stylezoo import __version__

        api = HfApi(
            endpoint=self.endpoint,
            token=self.token() or False,
            library_name="stylezoo",
            library_version=__version__,
        )
        _keep_quiet()
        limit = timeout_seconds() if limit is None else limit
        for tried in range(1, tries + 1):
            began = time.monotonic()
            try:
                return _within(limit, lambda: function(api))
            except _TooLate:
                reason, wait = f"{shown(self.endpoint)} did not respond within {limit:g} s", 0.0
            except Exception as error:
                reason, wait = self._judge(error, what)
            if wait > LONGEST_WAIT:
                raise UnavailableError(
                    f"{what}: {reason} and asks to wait for {wait:.0f} s; try again later"
                )
            if tried == tries:
                times = f", after {tried} tries" if tried > 1 else ""
                raise UnavailableError(f"{what}: {reason}{times}; try again later")
            tell_retry(f"{what}: {reason}", time.monotonic() - began)
            pause = max(wait, FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1.5))
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _judge(self, error: Exception, what: str) -> tuple[str, float]:
        """Interpret an error of huggingface_hub.

        Returns:
            For a transient error, its description and the seconds that the Hub asks to wait.

        Raises:
            HubRefusal, AuthError, UnavailableError, OfflineError: it is not transient.
            Exception: the error itself, if it is not the Hub's.
        """
        from huggingface_hub import errors

        if isinstance(error, StyleZooError):
            raise error
        hub = shown(self.endpoint)
        if isinstance(error, errors.OfflineModeIsEnabled):
            raise OfflineError(f"{what}: HF_HUB_OFFLINE forbids the network") from None
        if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
            return self._judge_answer(error, what)
        # The first base is the root of the HTTP library's errors: httpx2's, httpx's or requests'.
        if isinstance(error, (errors.HfHubHTTPError.__bases__[0], OSError)):
            proxy = proxy_for(self.endpoint)
            through = f" through the proxy {proxy}" if proxy else ""
            advice = "; check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY" if proxy else ""
            words = " ".join(str(error).split())[:200]
            reason = f"{hub} cannot be reached{through}: {words}{advice}"
            if type(error).__name__ in ("TooManyRedirects", "UnsupportedProtocol"):
                raise UnavailableError(
                    f"{what}: {hub} redirects in a loop or to an unsupported address: {words}"
                ) from None
            return reason, 0.0
        if isinstance(error, _NO_ANSWER):
            raise UnavailableError(
                f"{what}: {hub} does not respond like a Hub: it is not one, or a captive portal is "
                "in the way; open the address in a browser"
            ) from None
        invalid = type(error).__name__ == "InvalidURL" or isinstance(error, UnicodeError)
        # An unknown kind of proxy is a ValueError, one that needs another package an ImportError.
        if invalid or (isinstance(error, ValueError | ImportError) and proxy_for(self.endpoint)):
            raise invalid_address(self.endpoint, what, error) from None
        raise error

    def _judge_answer(self, error: Any, what: str) -> tuple[str, float]:
        from huggingface_hub import errors

        hub, response = shown(self.endpoint), error.response
        status, words = response.status_code, self._words(response.headers)
        if status in _PASSING:
            answer = f"{hub} returned {status}{words and f' ({words})'}"
            return answer, retry_after(response.headers) or 0.0
        missing = isinstance(error, errors.RepositoryNotFoundError)
        gated = isinstance(error, errors.GatedRepoError | errors.DisabledRepoError)
        if gated or (status in (401, 403) and not missing):
            sent = "without a token" if self.token() is None else "with the token that was sent"
            raise AuthError(
                f"{what}: {hub} refuses access {sent} ({status}{words and f': {words}'}); set "
                "HF_TOKEN to a token with the necessary permission, or run: hf auth login"
            ) from None
        raise HubRefusal(status, missing=missing, words=words) from None

    def _words(self, headers: Mapping[str, str]) -> str:
        """The Hub's message on one line, without our token in case it is echoed back."""
        words = " ".join(headers.get("X-Error-Message", "").split())[:200]
        token = self.token()
        return words.replace(token, "***") if token else words


def hub_endpoint() -> str:
    """The address of the Hub: HF_ENDPOINT, or huggingface.co.

    huggingface_hub reads the variable when it is imported; this reads it now.

    Raises:
        OptionError: the variable is not an address.
    """
    address = (os.environ.get(ENDPOINT_VARIABLE) or PUBLIC_ENDPOINT).rstrip("/")
    if not _ADDRESS.fullmatch(address):
        raise OptionError(
            f"{ENDPOINT_VARIABLE} is {address!r}; set it to an address like {PUBLIC_ENDPOINT}"
        )
    return address


class _OthersOnly(logging.Filter):
    """Drops what huggingface_hub logs below errors during our calls, which we report ourselves."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != _THREAD or record.levelno >= logging.ERROR


_others_only = _OthersOnly()


def _keep_quiet() -> None:
    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(_others_only)  # adding it again changes nothing


def _within(seconds: float, function: Callable[[], T]) -> T:
    """Run a function in its own thread, which does not keep the program from exiting.

    Raises:
        _TooLate: it does not finish in time.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        if future.done():  # it is the function's own
            raise
        raise _TooLate from None
