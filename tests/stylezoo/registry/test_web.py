"""Requests to real local servers: refusals, waits, redirects, tokens, proxies, TLS."""

import datetime
import gzip
import ipaddress
import os
import socket
import ssl
import threading
import time
import tracemalloc
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import pytest

from stylezoo.errors import (
    AuthError,
    IntegrityError,
    OptionError,
    UnavailableError,
)
from stylezoo.registry.download import download, read
from stylezoo.registry.web import LONG_TRY, RetryWarning
from tests.faults.server import FileServer, digest

CONTENT = bytes(range(256)) * 4
TOKEN = {"Authorization": "Bearer hf_secret"}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def server():
    with FileServer() as server:
        server.files["/file"] = CONTENT
        server.files["/index.json"] = b"{}"
        yield server


@pytest.fixture
def other():
    """A server with another origin."""
    with FileServer("localhost") as server:
        server.files["/file"] = CONTENT
        yield server


def fetch(url, part, **options):
    download(url, part, size=len(CONTENT), sha256=digest(CONTENT), **options)


def get(url, **options):
    return read(url, limit=1000, what="the index", **options)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_may_pass_is_asked_for_again(server, tmp_path, status):
    server.fail(status=status)
    fetch(f"{server.url}/file", tmp_path / "part")
    server.fail(status=status)
    assert get(f"{server.url}/index.json") == b"{}"
    assert len(server.asked()) == 4


def test_a_server_that_goes_on_failing_is_given_up(server):
    server.fail(status=503, times=-1)
    with pytest.raises(UnavailableError, match=r"the index: .* returned 503 .*after 4 tries"):
        get(f"{server.url}/index.json")
    assert len(server.asked()) == 4


@pytest.mark.parametrize("status", [204, 304, 400, 418])
def test_an_answer_that_makes_no_sense_is_not_asked_for_again(server, status):
    server.fail(status=status)
    with pytest.raises(UnavailableError, match=f"returned {status} .*check the address"):
        get(f"{server.url}/index.json")
    assert len(server.asked()) == 1


def test_a_server_is_given_the_time_that_it_asks_for(server):
    server.fail(status=429, headers={"Retry-After": "1"})
    began = time.monotonic()
    assert get(f"{server.url}/index.json") == b"{}"
    assert 1 <= time.monotonic() - began < 3


def test_a_server_that_asks_for_too_much_time_is_given_up_at_once(server):
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    for asked in ("99999", "9" * 50, format_datetime(tomorrow, usegmt=True)):
        server.fail(status=503, headers={"Retry-After": asked})
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=r"asks to wait for \d+ s; try again after 2"):
            get(f"{server.url}/index.json")
        assert time.monotonic() - began < 1
    server.fail(status=503, headers={"Retry-After": "soon"})
    assert get(f"{server.url}/index.json") == b"{}"


@pytest.mark.parametrize("status", [401, 403])
def test_access_that_is_refused_is_not_asked_for_again(server, tmp_path, status):
    server.fail(status=status, times=-1, headers={"X-Error-Code": "GatedRepo"})
    with pytest.raises(AuthError, match=rf"without a token \({status} .*, GatedRepo\).*HF_TOKEN"):
        get(f"{server.url}/index.json")
    with pytest.raises(AuthError, match="with the token that was sent") as caught:
        fetch(f"{server.url}/file", tmp_path / "part", headers=TOKEN)
    assert "secret" not in str(caught.value)
    assert len(server.asked()) == 2


@pytest.mark.parametrize("token", ["hf_secret\n", "hf_sécret…"])
def test_a_token_that_cannot_be_sent_is_not_printed(server, token):
    with pytest.raises(AuthError, match="the token contains a character") as caught:
        get(f"{server.url}/file", headers={"Authorization": f"Bearer {token}"})
    assert "cret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert server.asked() == []


def test_a_token_is_sent_to_the_server_it_is_for_and_to_no_other(server, other, tmp_path):
    server.fail("first", status=302, headers={"Location": "/second"})
    server.fail("second", status=307, headers={"Location": f"{other.url}/third"})
    other.fail("third", status=302, headers={"Location": f"{server.url}/file"})
    fetch(f"{server.url}/first", tmp_path / "part", headers=TOKEN)
    sent = [request.headers.get("authorization") for request in server.log.requests]
    assert sent == ["Bearer hf_secret", "Bearer hf_secret", None]
    assert "authorization" not in other.log.requests[0].headers


def test_a_password_of_netrc_does_not_take_the_place_of_a_token(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    get(f"{server.url}/index.json", headers=TOKEN)
    get(f"{server.url}/index.json")
    sent = [request.headers.get("authorization") for request in server.log.requests]
    assert sent[0] == "Bearer hf_secret"
    assert sent[1].startswith("Basic ")


def test_cookies_are_not_kept(server):
    server.headers = {"Set-Cookie": "id=1; Path=/"}
    get(f"{server.url}/index.json")
    get(f"{server.url}/index.json")
    assert "cookie" not in server.log.requests[1].headers


def test_a_redirect_that_leads_in_a_circle_is_given_up(server):
    server.fail(status=302, times=-1, headers={"Location": "/index.json"})
    with pytest.raises(UnavailableError, match="redirects more than 10 times"):
        get(f"{server.url}/index.json")
    assert len(server.asked()) == 11


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://[", "http://a:99999/", "data:,"]
)
def test_a_redirect_to_something_else_than_the_web_is_refused(server, target):
    server.fail(status=302, headers={"Location": target})
    with pytest.raises(
        UnavailableError, match="which is refused: http may only redirect to http or https"
    ):
        get(f"{server.url}/index.json")


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".org", "a\x1bc" + "b" * 5000])
def test_a_redirect_to_a_name_that_no_host_can_have_is_refused(server, host):
    server.fail(status=302, times=-1, headers={"Location": f"http://{host}/x"})
    with pytest.raises(UnavailableError) as caught:
        get(f"{server.url}/index.json")
    assert host[:70].replace("\x1b", r"\x1b") in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_the_body_of_a_redirect_is_not_unpacked(server):
    bomb = {"Location": "/index.json", "Content-Encoding": "gzip"}
    server.fail("first", status=302, headers=bomb, body=gzip.compress(bytes(50_000_000)))
    tracemalloc.start()
    assert get(f"{server.url}/first") == b"{}"
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://x/y", "http://[", "http:///x", ""])
def test_an_address_that_is_not_of_the_web_is_refused(url):
    with pytest.raises(UnavailableError, match="is not an http or https address"):
        get(url)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Log in", b"\xef\xbb\xbf\n <html>"])
def test_a_web_page_is_not_taken_for_a_file(server, tmp_path, page):
    """Captive portals answer every address with one."""
    server.fail(times=-1, body=page)
    with pytest.raises(UnavailableError, match=r"the index: .*not a registry or hub, or a captive"):
        get(f"{server.url}/index.json")
    with pytest.raises(UnavailableError, match="captive portal"):
        fetch(f"{server.url}/file", tmp_path / "part")
    assert not (tmp_path / "part").exists()
    assert len(server.asked()) == 2


def test_a_password_in_the_address_is_sent_and_not_shown(server, tmp_path):
    url = server.url.replace("://", "://ann:secret@")
    server.fail(status=403)
    with pytest.raises(AuthError) as caught:
        fetch(f"{url}/file?key=secret", tmp_path / "part")
    assert "secret" not in str(caught.value)
    assert server.log.requests[0].headers["authorization"].startswith("Basic ")
    server.files["/file"] = b"other"
    with pytest.raises(IntegrityError) as refused:
        fetch(f"{url}/file?key=secret", tmp_path / "part")
    assert "secret" not in str(refused.value)
    assert f"{server.url}/file" in str(refused.value)


def test_a_server_that_is_not_there():
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9 cannot be reached: .*refused"):
        get("http://127.0.0.1:9/index.json")
    with pytest.raises(UnavailableError, match=r"registry\.invalid cannot be reached: "):
        get("http://registry.invalid/index.json")


def test_a_proxy_is_used_where_the_environment_names_one(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    fetch("http://registry.invalid/file", tmp_path / "part")
    assert server.log.requests[0].target == "http://registry.invalid/file"


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("HTTP_PROXY", "http://registry.invalid/x"),
        ("HTTPS_PROXY", "https://registry.invalid/x"),
        ("ALL_PROXY", "https://registry.invalid/x"),
    ],
)
def test_a_proxy_that_is_dead_is_named_without_its_password(monkeypatch, variable, url):
    monkeypatch.setenv(variable, "http://ann:secret@127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"the proxy http://127\.0\.0\.1:9 does") as caught:
        get(url)
    assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)


def test_a_proxy_that_wants_a_password_is_named(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.fail(status=407)
    with pytest.raises(UnavailableError, match=f"the proxy {server.url} requires a password"):
        get("http://registry.invalid/x")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("407 Proxy Authentication Required", "requires a password, or refuses the one"),
        ("403 Forbidden", "does not work: Tunnel connection failed: 403 Forbidden; check HTTP_PRO"),
        ("502 Bad\x1b[2J", r"does not work: Tunnel connection failed: 502 Bad\\x1b\[2J; check"),
    ],
)
def test_a_proxy_that_makes_no_tunnel_is_named(monkeypatch, answer, message):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=refuse, daemon=True).start()
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:secret@{place}")
        with pytest.raises(UnavailableError, match=f"the proxy http://{place} {message}") as caught:
            get("https://registry.invalid/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "named"),
    [
        ("http://ann:sec#ret@proxy.invalid:3128", "http://proxy.invalid:3128"),
        ("http://ann:sec/ret@proxy.invalid:3128", "http://proxy.invalid:3128"),
        ("ann:sec://ret@proxy.invalid:port", "http://proxy.invalid:port"),
        ("ftp://ann:secret@proxy.invalid", "ftp://proxy.invalid"),
    ],
)
def test_a_proxy_that_is_no_address_is_named_without_its_password(monkeypatch, proxy, named):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UnavailableError) as caught:
        get("https://registry.invalid/x")
    assert f"through the proxy {named} failed" in str(caught.value)
    assert "in HTTP_PROXY, HTTPS_PROXY" in str(caught.value)
    assert "sec" not in str(caught.value)


@pytest.mark.skipif(find_spec("socks") is not None, reason="PySocks is installed")
def test_a_socks_proxy_names_the_package_it_needs(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"proxy socks5h://127\.0\.0\.1:9 .*pysocks"):
        get("https://registry.invalid/x")


def test_certificates_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ours.pem")
    with pytest.raises(UnavailableError, match=r"/nowhere/ours\.pem; check REQUESTS_CA_BUNDLE"):
        get("https://127.0.0.1:9/x")


def test_a_timeout_that_is_no_number_is_named(server, monkeypatch):
    for wrong in ("soon", "0", "nan"):
        monkeypatch.setenv("STYLEZOO_TIMEOUT", wrong)
        with pytest.raises(OptionError, match=f"STYLEZOO_TIMEOUT is '{wrong}'"):
            get(f"{server.url}/index.json")


class Secured(BaseHTTPRequestHandler):
    """Answers over TLS; redirects /down to a server without TLS."""

    plain = ""

    def do_GET(self):
        if self.path == "/down":
            self.send_response(302)
            self.send_header("Location", f"{self.plain}/index.json")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def secured(server, tmp_path):
    """A TLS server with a self-signed certificate, and the path of that certificate."""
    certificate = make_certificate(tmp_path / "certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    Secured.plain = server.url
    running = ThreadingHTTPServer(("127.0.0.1", 0), Secured)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{running.server_port}", certificate
    running.shutdown()
    running.server_close()


def make_certificate(path):
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(secured, monkeypatch):
    url, certificate = secured
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"certificate of 127.* is not trusted: self"):
        get(f"{url}/index.json")
    assert time.monotonic() - began < 2
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert get(f"{url}/index.json") == b""


def test_a_redirect_to_a_line_without_encryption_is_refused(secured, server, monkeypatch):
    url, certificate = secured
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with pytest.raises(
        UnavailableError, match="which is refused: https may only redirect to https"
    ):
        get(f"{url}/down")
    assert server.asked() == []


def test_who_waits_for_a_silent_server_is_told_why(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_TIMEOUT", str(LONG_TRY + 0.3))
    server.fail(stall_after=len(CONTENT) // 2, delay=3 * LONG_TRY)
    with pytest.warns(RetryWarning, match=r"/file.*; trying again"):
        fetch(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
