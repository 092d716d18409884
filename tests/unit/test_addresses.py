import threading
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from observatory.clients.addresses import Rule, checked, objection, rule_of, url_fault
from observatory.clients.resolver import Resolver, spelled, system
from observatory.config import URL_LIMIT, load
from observatory.errors import TargetError
from observatory.model import Cause, Kind, Origin, Target
from tests.support.waiting import wait_for

PUBLIC = [
    "8.8.8.8", "1.0.0.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
    "2a00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip
PRIVATE = [
    "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "100.64.0.0",
    "100.127.255.255", "127.0.0.1", "127.255.255.255", "::1", "fc00::1", "fdff:ffff::1", "::ffff:10.0.0.1",
    "::ffff:127.0.0.1", "64:ff9b::192.168.0.1", "2002:7f00:1::",
]  # fmt: skip
METADATA = [
    "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23",
    "fd20:ce::254", "fd00:42::42", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "::ffff:100.100.100.200",
]  # fmt: skip
LINK_LOCAL = [
    "169.254.0.0",
    "169.254.170.2",
    "169.254.255.255",
    "fe80::1",
    "fe80::1%2",
    "febf::1",
    "::ffff:169.254.1.1",
]
MULTICAST = ["224.0.0.1", "239.255.255.255", "ff02::1", "::ffff:224.0.0.1"]
RESERVED = [
    "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.0", "198.19.255.255", "198.51.100.1",  # noqa: S104 — nothing is bound
    "203.0.113.1", "240.0.0.1", "255.255.255.255", "::", "::127.0.0.1", "::ffff:0:127.0.0.1", "::ffff:0.0.0.0",
    "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1", "3fff::1", "fec0::1", "4000::1", "64:ff9b::0.0.0.0",
]  # fmt: skip
LOCAL = ["127.0.0.1", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"]
NOT_LOCAL = [
    "8.8.8.8", "127.0.0.2", "100.64.0.1", "172.15.255.255", "172.32.0.0", "192.169.0.1", "11.0.0.1", "fc00::1",
    "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "169.254.169.254", "fe80::1",
]  # fmt: skip


def kinds() -> list[tuple[str, str, Rule]]:
    named = {"private": PRIVATE, "metadata": METADATA, "link-local": LINK_LOCAL, "multicast": MULTICAST}
    named["reserved"] = RESERVED
    both = [(what, text, Rule.PUBLIC) for what, texts in named.items() for text in texts]
    return both + [(what, text, Rule.PRIVATE_TOO) for what, text, _ in both if what != "private"]


def objects(text: str, rule: Rule) -> str:
    return objection(ip_address(text), rule)


def nobody(_host: str, _seconds: float | None) -> Sequence[str]:
    raise AssertionError("a name was looked up")


def refused(host: str, rule: Rule, *found: str) -> str:
    """The detail of the refusal of a host that leads to `found`."""
    with pytest.raises(TargetError) as caught:
        checked(host, rule, lambda _host, _seconds: found, None)
    assert (caught.value.cause, caught.value.permanent) == (Cause.REJECTED, True)
    return caught.value.detail


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_open_to_whoever_may_name_targets(text: str) -> None:
    assert [objects(text, rule) for rule in (Rule.ANY, Rule.PUBLIC, Rule.PRIVATE_TOO)] == ["", "", ""]


@pytest.mark.parametrize(("what", "text", "rule"), kinds())
def test_a_refusal_says_what_kind_of_address_it_is(what: str, text: str, rule: Rule) -> None:
    assert objects(text, rule).startswith(f"a {what} address")


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_address_is_open_by_the_setting_and_without_it_the_setting_is_named(text: str) -> None:
    assert objects(text, Rule.PRIVATE_TOO) == ""
    assert "OBSERVATORY_PRIVATE_TARGETS" in objects(text, Rule.PUBLIC)


@pytest.mark.parametrize("text", [*PUBLIC, *PRIVATE, *METADATA, *LINK_LOCAL, *MULTICAST, *RESERVED])
def test_who_runs_us_may_name_every_address(text: str) -> None:
    assert objects(text, Rule.ANY) == ""


@pytest.mark.parametrize(("texts", "allowed"), [(LOCAL, True), (NOT_LOCAL, False)])
def test_a_project_may_name_this_machine_and_its_private_network(texts: list[str], allowed: bool) -> None:
    assert [text for text in texts if (objects(text, Rule.LOCAL) == "") is not allowed] == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "::ffff:127.0.0.1"])
def test_another_spelling_of_an_address_is_that_address(host: str) -> None:
    assert "private" in refused(host, Rule.PUBLIC)
    assert checked(host, Rule.PRIVATE_TOO, nobody, None) in {("127.0.0.1",), ("::ffff:127.0.0.1",)}


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"])
def test_another_spelling_of_the_metadata_address_stays_refused(host: str) -> None:
    for rule in (Rule.PUBLIC, Rule.PRIVATE_TOO):
        assert refused(host, rule) == f"{host} leads to 169.254.169.254, a metadata address, where nothing is read."


def test_a_name_has_to_be_good_in_all_its_addresses() -> None:
    found = ("8.8.8.8", "2606:4700::1111")

    assert checked("a.example", Rule.PUBLIC, lambda _host, _seconds: found, None) == found
    for place in range(3):
        mixed = [*found[:place], "fe80::1%3", *found[place:]]
        detail = refused("a.example", Rule.PUBLIC, *mixed)
        assert detail == "a.example leads to fe80::1%3, a link-local address, where nothing is read."


def test_the_sentence_about_a_long_name_is_not_long() -> None:
    assert len(refused(("a" * 60 + ".") * 4, Rule.PUBLIC, "fd00:ec2::254")) < 200


def test_a_project_names_localhost_or_an_address_and_no_other_name_is_looked_up() -> None:
    assert checked("localhost", Rule.LOCAL, lambda _host, _seconds: ("::1", "127.0.0.1"), None) == ("::1", "127.0.0.1")
    assert checked("192.168.7.7", Rule.LOCAL, nobody, None) == ("192.168.7.7",)
    assert "no private network" in refused("localhost", Rule.LOCAL, "127.0.0.1", "8.8.8.8")
    for host in ("mcp.example", "10.example", "localhost.example", "127.0.0.1.example"):
        with pytest.raises(TargetError, match="neither localhost nor"):
            checked(host, Rule.LOCAL, nobody, None)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://shop.example", ""),
        ("https://shop.example:8443/status?x=1", ""),
        ("http://8.8.8.8/", ""),
        ("http://[2606:4700::1111]:80", ""),
        ("", "starts with http:// or https://"),
        ("shop.example", "starts with http:// or https://"),
        ("ftp://shop.example", "starts with http:// or https://"),
        ("ws://shop.example", "starts with http:// or https://"),
        ("file:///etc/passwd", "starts with http:// or https://"),
        ("http://", "starts with http:// or https://"),
        ("http:///path", "starts with http:// or https://"),
        ("http://:80", "starts with http:// or https://"),
        ("http://shop.example:0", "starts with http:// or https://"),
        ("http://shop.example:99999", "starts with http:// or https://"),
        ("http://[::1", "starts with http:// or https://"),
        ("http://ada:secret@shop.example", "user or password"),
        ("http://ada@shop.example", "user or password"),
        ("http://@shop.example", "user or password"),
        ("http://shop.example\\@169.254.169.254", "user or password"),
        ("http://shop.example/\r\nX-Evil: 1", "control characters"),
        ("http://shop\t.example", "control characters"),
        (" http://shop.example", "spaces"),
        ("http://shop.example/\u202eevil", "control characters"),
        (f"http://shop.example/{'x' * URL_LIMIT}", f"longer than {URL_LIMIT} characters"),
        ("http://169.254.169.254/latest", "a metadata address"),
        ("http://0xa9fea9fe/latest", "a metadata address"),
        (f"http://{'a' * 64}.example", "a host that cannot be one"),
        ("http://[fe80::1]/", "a link-local address"),
        ("http://0/", "a reserved address"),
        ("http://192.168.1.1/", "a private address"),
    ],
)
def test_a_faulty_url_is_told_in_a_sentence_before_anything_is_asked(url: str, fault: str) -> None:
    told = url_fault(url, Rule.PUBLIC)

    assert fault in told
    assert bool(told) is bool(fault)
    assert not told or (told.endswith(".") and "secret" not in told)


def test_a_private_url_is_good_where_the_setting_allows_it() -> None:
    assert url_fault("http://192.168.1.1/", Rule.PRIVATE_TOO) == ""


@pytest.mark.parametrize("scheme", ["http", "https", "ws", "wss"])
def test_a_projects_url_may_be_a_sockets_and_is_local(scheme: str) -> None:
    for host in ("localhost", "LOCALHOST:5173", "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1:80"):
        assert url_fault(f"{scheme}://{host}/mcp", Rule.LOCAL) == ""
    for host in ("mcp.example", "8.8.8.8", "127.0.0.2", "172.32.0.1", "169.254.169.254", "0", "ada@localhost"):
        assert url_fault(f"{scheme}://{host}/mcp", Rule.LOCAL) != ""
    assert url_fault(f"{scheme}x://localhost", Rule.LOCAL) != ""


@pytest.mark.parametrize("origin", sorted(set(Origin) - {Origin.PROJECT}))
def test_only_what_an_administrator_named_is_limited_and_by_the_setting(origin: Origin) -> None:
    target = Target("t", Kind.HTTP, "http://t.example", origin)
    limited = origin is Origin.ADMIN

    assert rule_of(target) is (Rule.PUBLIC if limited else Rule.ANY)
    assert rule_of(target, private=True) is (Rule.PRIVATE_TOO if limited else Rule.ANY)


@pytest.mark.parametrize(("environ", "private"), [({}, False), ({"OBSERVATORY_PRIVATE_TARGETS": "true"}, True)])
def test_private_targets_are_a_setting_that_is_off(environ: dict[str, str], private: bool) -> None:
    assert load(environ, create_secrets=False).private_targets is private


def test_the_system_knows_the_addresses_of_this_machine() -> None:
    assert set(system("localhost")) & {"127.0.0.1", "::1"}
    assert spelled("localhost") == ()
    assert spelled("::1") == ("::1",)


def test_who_asks_for_a_name_under_way_waits_for_the_same_answer_and_who_asks_later_has_a_new_one() -> None:
    asked, go = Counter[str](), threading.Event()

    def look_up(host: str) -> Sequence[str]:
        asked[host] += 1
        go.wait(30)
        return (f"192.0.2.{asked[host]}",)

    resolve = Resolver(look_up)
    answers: list[Sequence[str]] = []
    first = threading.Thread(target=lambda: answers.append(resolve("a.example", 30)))
    first.start()
    wait_for(lambda: asked["a.example"])
    for _ in range(3):
        with pytest.raises(TimeoutError):
            resolve("a.example", 0)
    go.set()
    first.join(30)

    assert answers == [("192.0.2.1",)]
    assert resolve("a.example", 30) == ("192.0.2.2",)


def test_a_name_that_hangs_is_left_behind_and_others_are_found() -> None:
    released = threading.Event()

    def look_up(host: str) -> Sequence[str]:
        if host == "hangs.example":
            released.wait(30)
        return ("192.0.2.1",)

    resolve = Resolver(look_up)
    try:
        with pytest.raises(TimeoutError):
            resolve("hangs.example", 0.01)
        assert resolve("quick.example", 10) == ("192.0.2.1",)
        assert not released.is_set()
    finally:
        released.set()


def test_so_many_look_ups_hang_and_no_more_and_afterwards_all_is_well() -> None:
    released, begun = threading.Event(), Counter[str]()

    def look_up(host: str) -> Sequence[str]:
        begun[host] += 1
        released.wait(30)
        return ("192.0.2.1",)

    resolve = Resolver(look_up, most=2)
    for host in ("a.example", "b.example", "c.example", "a.example"):
        with pytest.raises(TimeoutError):
            resolve(host, 0)
    wait_for(lambda: begun == {"a.example": 1, "b.example": 1})
    released.set()

    assert wait_for(lambda: resolve("c.example", 10)) == ("192.0.2.1",)
    assert begun == {"a.example": 1, "b.example": 1, "c.example": 1}
    assert resolve.threads == 2


def test_what_a_look_up_raises_reaches_who_asked_and_the_next_is_answered() -> None:
    def look_up(host: str) -> Sequence[str]:
        if host == "gone.example":
            raise OSError(-2, "Name or service not known")
        return ("192.0.2.1",)

    resolve = Resolver(look_up)
    for _ in range(3):
        with pytest.raises(OSError, match="not known"):
            resolve("gone.example", 10)
        assert resolve("here.example", 10) == ("192.0.2.1",)
    assert resolve.threads <= 2
