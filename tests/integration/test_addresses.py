"""Where a connection may go, on real sockets: refused addresses see nothing, and a name is asked once."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from observatory.clients.addresses import Rule, checked, rule_of
from observatory.clients.base import Session, tls
from observatory.clients.resolver import Resolver
from observatory.collector.channel import Timing
from observatory.collector.loop import Collector
from observatory.collector.scrape import open_reader
from observatory.collector.stream import BridgeStream
from observatory.context import wall_clock
from observatory.errors import TargetError
from observatory.model import DAY, Cause, Kind, Origin, Scrape, Target
from observatory.store.engine import Store, migrate, open_store
from observatory.store.scrapes import log
from tests.support.answering import Answering, Script, answer, saying
from tests.support.scraped import KEEP
from tests.support.waiting import wait_for

FINE = saying(answer(200, {"status": "healthy"}))
METADATA = "169.254.169.254"
HERE = {  # hosts that lead to this machine, and the addresses of those that are names
    "127.0.0.1": (),
    "2130706433": (),
    "0x7f.1": (),
    "[::ffff:127.0.0.1]": (),
    "one.example": ("127.0.0.1",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "last.example": ("8.8.8.8", "2606:4700::1111", "127.0.0.1"),
}


class Names:
    """A resolver: what each name has at the moment, and how often it was asked. Each answer goes, but for the last."""

    def __init__(self, **named: Sequence[Sequence[str]]) -> None:
        self.named = {name.replace("_", "."): list(answers) for name, answers in named.items()}
        self.asked: Counter[str] = Counter()

    def __call__(self, host: str, _seconds: float | None) -> Sequence[str]:
        self.asked[host] += 1
        answers = self.named[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Secured(Answering):
    """The same behind TLS. `names` are those that clients asked for, before the certificate was shown."""

    def __init__(self, script: Script, certificate: Path) -> None:
        super().__init__(script)
        self.names: list[str | None] = []
        self.context = server_context(certificate, self.names)
        self.url = self.url.replace("http:", "https:")

    def serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as secured:
            super().serve(secured)


def server_context(certificate: Path, names: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of shop.example, which vouches for itself."""
    path = tmp_path_factory.mktemp("certificate") / "shop.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example"]
    command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", str(path), "-out", "-"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    path.write_text(path.read_text() + made)
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The certificate, and this process trusts it as an operator would have it do."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls.cache_clear()
    yield certificate
    tls.cache_clear()


@contextmanager
def listening() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A port of 127.0.0.1 that answers nobody, and whether somebody came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def came() -> bool:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield listener.getsockname()[1], came


def port_of(server: Answering) -> int:
    return int(server.url.rsplit(":", 1)[1])


def a_target(url: str, *, kind: Kind = Kind.HTTP, origin: Origin = Origin.ADMIN, interval: float = 10.0) -> Target:
    return Target("t", kind, url, origin, interval=interval)


def a_read(url: str, rule: Rule, resolve: Callable[[str, float | None], Sequence[str]]) -> Session:
    """A session that read `url` once. Raises TargetError."""
    session = Session(a_target(url), clock=wall_clock, rule=rule, resolve=resolve)
    try:
        session.success(url)
    finally:
        session.close()
    return session


def read(target: Target, rule: Rule | None, *found: str) -> Scrape:
    reader = open_reader(target, clock=wall_clock, rule=rule, resolve=lambda _host, _seconds: found)
    try:
        [scrape] = reader.read()
    finally:
        reader.close()
    return scrape


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [Kind.HTTP, Kind.BRIDGE, Kind.MCP_DAEMON, Kind.PROMETHEUS])
@pytest.mark.parametrize("host", HERE)
def test_a_refused_address_is_a_scrape_that_says_so_and_nothing_connects(host: str, kind: Kind) -> None:
    with listening() as (port, came):
        scrape = read(a_target(f"http://{host}:{port}", kind=kind), None, *HERE[host])

        assert (scrape.cause, scrape.permanent) == (Cause.REJECTED, True)
        assert "private address" in scrape.detail and scrape.detail.endswith(".")
        assert [s.value for s in scrape.samples if s.name == "up"] == [0.0]
        assert not came()


def test_the_same_address_is_reached_where_the_rule_allows_it() -> None:
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "one.example"):
        with listening() as (port, came):
            target = Target("t", Kind.HTTP, f"http://{host}:{port}", Origin.ADMIN, timeout=0.05)
            scrape = read(target, Rule.PRIVATE_TOO, *HERE[host])
            assert scrape.cause is Cause.TIMEOUT  # nobody answers there
            assert came()


@pytest.mark.parametrize("rule", [Rule.PUBLIC, Rule.PRIVATE_TOO, Rule.LOCAL])
@pytest.mark.parametrize("host", [METADATA, "2852039166", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0"])  # noqa: S104
def test_no_rule_but_the_operators_leads_to_metadata_or_nowhere(host: str, rule: Rule) -> None:
    scrape = read(a_target(f"http://{host}/latest/meta-data"), rule)

    assert (scrape.cause, scrape.permanent) == (Cause.REJECTED, True)


def test_a_project_reaches_this_machine_by_its_name_and_nothing_by_another() -> None:
    names = Names(localhost=[["127.0.0.1"]], near_example=[["127.0.0.1"]])
    with Answering(FINE) as server:
        for host in ("localhost", "127.0.0.1"):
            a_read(f"http://{host}:{port_of(server)}", Rule.LOCAL, names)
        with pytest.raises(TargetError) as caught:
            a_read(f"http://near.example:{port_of(server)}", Rule.LOCAL, names)

    assert caught.value.cause is Cause.REJECTED
    assert names.asked == {"localhost": 1}
    assert len(server.requests) == 2


def test_a_redirect_to_elsewhere_is_not_followed() -> None:
    with listening() as (port, came):
        moved = saying(answer(307, headers={"Location": f"http://127.0.0.1:{port}/"}))
        with Answering(moved) as server, pytest.raises(TargetError) as caught:
            a_read(server.url, Rule.PRIVATE_TOO, Names())
        assert caught.value.cause is Cause.HTTP_ERROR
        assert not came()


# ── a name is asked once ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_answers_otherwise_the_second_time_is_not_asked_a_second_time() -> None:
    names = Names(shop_example=[["127.0.0.1"], [METADATA]])
    with Answering(FINE) as server:
        a_read(f"http://shop.example:{port_of(server)}", Rule.PRIVATE_TOO, names)

        assert names.asked == {"shop.example": 1}
        [(_, headers)] = server.requests
        assert headers["host"] == f"shop.example:{port_of(server)}"


def test_each_connection_is_checked_anew() -> None:
    names = Names(shop_example=[["127.0.0.1"], ["127.0.0.1"], [METADATA]])
    with Answering(FINE) as server:  # one connection a request
        url = f"http://shop.example:{port_of(server)}"
        session = Session(a_target(url), clock=wall_clock, rule=Rule.PRIVATE_TOO, resolve=names)
        session.success(url)
        session.success(url)
        with pytest.raises(TargetError, match="metadata"):
            session.success(url)
        session.close()
        assert (names.asked["shop.example"], len(server.requests)) == (3, 2)


def test_the_next_address_is_tried_when_one_refuses() -> None:
    with Answering(FINE) as server:
        names = Names(shop_example=[["::1", "127.0.0.1"]])  # on ::1 nobody listens at that port
        a_read(f"http://shop.example:{port_of(server)}", Rule.PRIVATE_TOO, names)

        assert (names.asked["shop.example"], len(server.requests)) == (1, 1)


def test_an_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        try:
            other = stack.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        except OSError as error:
            pytest.skip(f"no [::1]:{port} here: {error}")
        fill(full.getsockname(), stack)
        threading.Thread(target=lambda: other.accept()[0].sendall(answer(200, {})), daemon=True).start()

        target = Target("t", Kind.HTTP, f"http://shop.example:{port}", Origin.ADMIN, timeout=2.0)
        scrape = read(target, Rule.PRIVATE_TOO, "127.0.0.1", "::1")

    assert scrape.cause is None


def fill(address: tuple[str, int], stack: contextlib.ExitStack) -> None:
    """Connect until the listener's queue is full: who comes then waits."""
    while True:
        guest = stack.enter_context(socket.socket())
        guest.settimeout(0.2)
        try:
            guest.connect(address)
        except TimeoutError:
            return


# ── the certificate is a matter of the name ─────────────────────────────────────────────────────────────────────────


def test_tls_asks_for_the_name_and_verifies_it(trusted: Path) -> None:
    names = Names(shop_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    with Secured(FINE, trusted) as server:
        port = port_of(server)
        a_read(f"https://shop.example:{port}", Rule.PRIVATE_TOO, names)
        assert [headers["host"] for _, headers in server.requests] == [f"shop.example:{port}"]

        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(TargetError) as caught:
                a_read(f"https://{host}:{port}", Rule.PRIVATE_TOO, names)
            assert caught.value.cause is Cause.UNREACHABLE
            assert "certificate verify failed" in caught.value.detail

        assert len(server.requests) == 1
        assert server.names[:2] == ["shop.example", "other.example"]


# ── a resolver that hangs ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hanging() -> Iterator[Resolver]:
    """`hangs.example` has no answer before the test is over; every other name is this machine."""
    over = threading.Event()

    def look_up(host: str) -> Sequence[str]:
        if host == "hangs.example":
            over.wait(60)
        return ("127.0.0.1",)

    yield Resolver(look_up)
    assert not over.is_set()
    over.set()


@pytest.mark.parametrize("origin", [Origin.ADMIN, Origin.FILE])
def test_a_name_that_hangs_ends_at_the_deadline(hanging: Resolver, origin: Origin) -> None:
    target = Target("t", Kind.HTTP, "http://hangs.example", origin, timeout=0.1)
    reader = open_reader(target, clock=wall_clock, resolve=hanging)
    scrapes = [reader.read()[0] for _ in range(3)]
    reader.close()

    assert {(s.cause, s.permanent, s.detail) for s in scrapes} == {
        (Cause.TIMEOUT, False, "no address of hangs.example within the time there was")
    }
    assert hanging.threads == 1


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'observatory.sqlite3'}")
    migrate(opened)
    yield opened
    opened.close()


@contextmanager
def collecting(
    store: Store, *wanted: Target, private: bool = False, resolve: Callable[[str, float | None], Sequence[str]]
) -> Iterator[None]:
    collector = Collector(
        store,
        lambda: wanted,
        clock=wall_clock,
        holder="one",
        keep=KEEP._replace(raw=DAY),
        private_targets=private,
        resolve=resolve,
    )
    thread = threading.Thread(target=collector.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        collector.stop()
        thread.join(15)
        assert not thread.is_alive()


def test_a_name_that_hangs_delays_no_other(sqlite: Store, hanging: Resolver) -> None:
    with Answering(FINE) as server:
        hung = Target("hung", Kind.HTTP, "http://hangs.example", Origin.FILE, interval=1.0)
        quick = Target("quick", Kind.HTTP, f"http://quick.example:{port_of(server)}", Origin.FILE, interval=0.1)
        with collecting(sqlite, hung, quick, resolve=hanging):
            failed = wait_for(lambda: log(sqlite, "hung", 1), what="an end of waiting for the name")
            meanwhile = [row for row in log(sqlite, "quick", 99) if row.started_ms < failed[0].started_ms + 1000]

    assert failed[0].cause == Cause.TIMEOUT
    assert len(meanwhile) >= 3
    assert {row.cause for row in meanwhile} == {""}


@pytest.mark.parametrize(("private", "cause"), [(False, Cause.REJECTED), (True, "")])
def test_the_setting_opens_private_networks_to_administrators(sqlite: Store, private: bool, cause: str) -> None:
    with Answering(FINE) as server:
        with collecting(sqlite, a_target(server.url, interval=0.2), private=private, resolve=Names()):
            [row] = wait_for(lambda: log(sqlite, "t", 1))
        assert row.cause == cause
        assert bool(server.requests) is private


# ── the stream ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Channel:
    """A WebSocket server on a free port; `hosts` are the names its clients asked for."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.hosts: list[str] = []
        self.server = serve(self.talk, "127.0.0.1", 0, ssl=context, ping_interval=None)
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.hosts.append(connection.request.headers["Host"])
        with contextlib.suppress(ConnectionClosed):
            for _ in connection:
                pass

    def __enter__(self) -> "Channel":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join(5)


@contextmanager
def streaming(
    url: str, rule: Rule | None, resolve: Callable[[str, float | None], Sequence[str]]
) -> Iterator[BridgeStream]:
    stream = BridgeStream(
        a_target(url, kind=Kind.BRIDGE),
        emit=lambda _scrape: None,
        clock=wall_clock,
        rule=rule,
        resolve=resolve,
        timing=Timing(retry_first=0.02),
    )
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()
        stream.join(10)
        assert not stream.is_alive()


def test_a_stream_keeps_to_the_rule_of_its_target() -> None:
    names = Names(shop_example=[["127.0.0.1"]])
    with listening() as (port, came), streaming(f"http://shop.example:{port}", None, names) as stream:
        wait_for(lambda: stream.root.ending and stream.root.ending.cause is Cause.REJECTED)
        assert names.asked == {"shop.example": 1}
        assert not came()


def test_a_stream_asks_a_name_once_and_tells_it_to_the_server() -> None:
    names = Names(shop_example=[["::1", "127.0.0.1"], [METADATA]])
    with Channel() as bridge, streaming(f"http://shop.example:{bridge.port}", Rule.PRIVATE_TOO, names) as stream:
        wait_for(lambda: stream.root.connected and bridge.hosts)
        assert names.asked == {"shop.example": 1}
        assert bridge.hosts == [f"shop.example:{bridge.port}"]


def test_a_stream_verifies_the_name_too(trusted: Path) -> None:
    names = Names(shop_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    told: list[str | None] = []
    with Channel(server_context(trusted, told)) as bridge:
        with streaming(f"https://other.example:{bridge.port}", Rule.PRIVATE_TOO, names) as stream:
            wait_for(lambda: names.asked["other.example"] >= 2, what="a second try")
            assert stream.root.opened == 0
        with streaming(f"https://shop.example:{bridge.port}", Rule.PRIVATE_TOO, names) as stream:
            wait_for(lambda: stream.root.connected and bridge.hosts)

    assert bridge.hosts == [f"shop.example:{bridge.port}"]
    assert set(told) == {"shop.example", "other.example"}


def test_a_stream_is_not_led_elsewhere() -> None:
    with listening() as (port, came):
        moved = saying(answer(302, headers={"Location": f"ws://127.0.0.1:{port}/ws"}))
        with Answering(moved) as server, streaming(server.url, Rule.PRIVATE_TOO, Names()) as stream:
            wait_for(lambda: len(server.requests) >= 2, what="a second try")
            assert stream.root.opened == 0
        assert not came()


def test_a_stream_ends_while_its_name_hangs(hanging: Resolver) -> None:
    with streaming("http://hangs.example", Rule.PRIVATE_TOO, hanging):
        wait_for(lambda: hanging.under_way)


# ── what an operator set is as before ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("origin", sorted(set(Origin) - {Origin.ADMIN, Origin.PROJECT}))
def test_what_an_operator_set_leads_anywhere(origin: Origin) -> None:
    with Answering(FINE) as server:
        for host in ("localhost", "127.0.0.1"):
            reader = open_reader(a_target(f"http://{host}:{port_of(server)}", origin=origin), clock=wall_clock)
            [scrape] = reader.read()
            reader.close()
            assert scrape.cause is None
    assert checked(METADATA, Rule.ANY, Names(), None) == (METADATA,)


def test_what_a_project_names_leads_to_this_machine_and_its_network_whatever_the_setting_says() -> None:
    named = a_target("http://shop.example", origin=Origin.PROJECT)
    assert {rule_of(named), rule_of(named, private=True)} == {Rule.LOCAL}


def test_a_name_that_is_not_known_is_unreachable() -> None:
    def unknown(_host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(TargetError) as caught:
        a_read("http://gone.example", Rule.ANY, Resolver(unknown))
    assert (caught.value.cause, caught.value.permanent) == (Cause.UNREACHABLE, False)
    assert "not known" in caught.value.detail
