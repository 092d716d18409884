"""Limits: whom a request is counted for, where, and what the caller is told. The clock is ours."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from observatory.config import DEFAULT_LIMITS
from observatory.store import limits as counts
from observatory.store.engine import Store
from tests.support import redis as redises
from tests.support.clock import NOON
from tests.support.website import PASSWORD, Website, callback_body

Make = Callable[..., Website]
PRESS = callback_body("press", "children", "press")
CALLBACK = "/_dash-update-component"


def try_password(website: Website, name: str = "victor", password: str = "wrong", **headers: str) -> int:
    answer = website.anonymous().post("/api/auth/login", json={"username": name, "password": password}, headers=headers)
    return int(answer.status_code)


# ── counting, on both databases ──────────────────────────────────────────────────────────────────────────────────────


def test_a_window_counts_until_it_is_over_and_begins_anew(store: Store):
    def count(now: int, amount: int = 1) -> int:
        return counts.count(store, "k", amount, now=now, expires=now + 1000)

    assert [count(NOON), count(NOON + 500), count(NOON + 999)] == [1, 2, 3]
    assert counts.window(store, "k", now=NOON + 999) == (3, NOON + 1000)
    assert counts.window(store, "k", now=NOON + 1000) == (0, NOON + 1000)
    assert count(NOON + 1000) == 1
    assert count(NOON + 1001, -1) == 0


def test_many_at_once_are_counted_each(store: Store):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: counts.count(store, "k", 1, now=NOON, expires=NOON + 1000), range(40)))

    assert sorted(found) == list(range(1, 41))


def test_windows_that_are_over_do_not_stay(store: Store):
    for number in range(5):
        counts.count(store, f"k{number}", 1, now=NOON, expires=NOON + 1000)
    counts.count(store, "later", 1, now=NOON + 5000, expires=NOON + 6000)

    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT key FROM limit_counts").scalars().all() == ["later"]


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sixth_wrong_password_of_a_name_is_not_looked_at(website: Website):
    assert [try_password(website) for _ in range(5)] == [401] * 5

    answer = website.anonymous().post("/api/auth/login", json={"username": "victor", "password": PASSWORD})

    assert answer.status_code == 429
    body = answer.get_json()
    assert (body["error"], body["retryAfter"]) == ("Too many requests", 900)
    assert answer.headers["Retry-After"] == "900"
    assert answer.mimetype == "application/problem+json"


def test_another_name_and_another_address_are_not_locked_out(make_website: Make):
    website = make_website(trusted_proxies=1)
    for _ in range(5):
        try_password(website, **{"X-Forwarded-For": "203.0.113.1"})

    assert try_password(website, password=PASSWORD, **{"X-Forwarded-For": "203.0.113.1"}) == 429
    assert try_password(website, "olga", PASSWORD, **{"X-Forwarded-For": "203.0.113.1"}) == 200
    assert try_password(website, password=PASSWORD, **{"X-Forwarded-For": "203.0.113.2"}) == 200


def test_thirty_wrong_passwords_close_an_address_whatever_the_names(website: Website):
    statuses = [try_password(website, f"guess{number}") for number in range(31)]

    assert statuses == [401] * 30 + [429]


def test_the_right_password_costs_nothing(website: Website):
    for _ in range(4):
        try_password(website)

    assert [try_password(website, password=PASSWORD) for _ in range(10)] == [200] * 10
    assert try_password(website) == 401
    assert try_password(website) == 429


def test_the_name_is_counted_whatever_its_case(website: Website):
    for spelling in ("victor", "Victor", "VICTOR", "vIctor", "viCtor"):
        try_password(website, spelling)

    assert try_password(website, "victoR") == 429


def test_a_burst_of_guesses_gets_no_more_than_the_limit(website: Website):
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: try_password(website), range(24)))

    assert statuses.count(401) == 5
    assert statuses.count(429) == 19


def test_after_a_quarter_of_an_hour_it_may_be_tried_again(website: Website):
    for _ in range(6):
        try_password(website)

    website.clock.advance(899)
    assert try_password(website, password=PASSWORD) == 429
    website.clock.advance(1)
    assert try_password(website, password=PASSWORD) == 200


def test_two_processes_count_failed_sign_ins_together(make_website: Make):
    one, other = make_website(), make_website(people=False)
    for number in range(5):
        try_password((one, other)[number % 2])

    assert try_password(one, password=PASSWORD) == 429
    assert try_password(other, password=PASSWORD) == 429


def test_the_form_says_in_words_how_long_to_wait(website: Website):
    for _ in range(5):
        try_password(website)

    answer = website.anonymous().post("/login", data={"username": "victor", "password": PASSWORD})

    assert answer.status_code == 429
    assert "Too many wrong passwords. Try again in 15 minutes." in answer.text
    assert 'value="victor"' in answer.text


def test_a_forged_header_changes_no_key(website: Website):
    statuses = [try_password(website, **{"X-Forwarded-For": f"203.0.113.{number}"}) for number in range(6)]

    assert statuses == [401] * 5 + [429]


def test_addresses_are_counted_from_the_right(make_website: Make):
    website = make_website(trusted_proxies=2)
    chain = "{forged}, 198.51.100.7, 192.0.2.1"  # the client, then the outer proxy, as our two proxies wrote them
    statuses = [try_password(website, **{"X-Forwarded-For": chain.format(forged=f"10.0.0.{n}")}) for n in range(6)]

    assert statuses == [401] * 5 + [429]


# ── reads and commands ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_limited_answer_tells_where_the_caller_stands(website: Website):
    client = website.signed_in("victor")

    first, second = client.get("/api/targets-of-nobody"), client.get("/api/targets-of-nobody")

    assert [one.headers["X-RateLimit-Limit"] for one in (first, second)] == ["1000", "1000"]
    assert [int(one.headers["X-RateLimit-Remaining"]) for one in (first, second)] == [999, 998]
    assert first.headers["X-RateLimit-Reset"] == "2026-01-01T12:01:00.000Z"
    assert "X-RateLimit-Remaining" in first.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("path", ["/api/health", "/healthz", "/readyz", "/metrics", "/assets/public/favicon.svg"])
def test_what_watches_us_is_not_counted(website: Website, path: str):
    assert "X-RateLimit-Limit" not in website.signed_in("ada").get(path).headers


def test_a_session_is_counted_apart_from_others_of_its_address(make_website: Make):
    website = make_website(limits={"global": "3 per minute"})
    victor, olga = website.signed_in("victor"), website.signed_in("olga")

    assert [victor.get("/api/auth/check").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert olga.get("/api/auth/check").status_code == 200


def test_strangers_meet_the_limit_before_the_door(make_website: Make):
    website = make_website(limits={"anonymous": "3 per 15 minutes"})

    statuses = [website.anonymous().get("/api/targets").status_code for _ in range(5)]

    assert statuses == [401, 401, 401, 429, 429]


def test_a_bad_token_is_a_stranger_to_the_limit(make_website: Make):
    website = make_website(limits={"anonymous": "3 per 15 minutes"})
    statuses = [
        website.anonymous().get("/api/targets", headers={"Authorization": f"Bearer {number}"}).status_code
        for number in range(5)
    ]

    assert statuses == [401, 401, 401, 429, 429]


def test_pages_and_their_callbacks_are_one_group(make_website: Make):
    website = make_website(limits={"ui": "4 per minute"})
    client = website.signed_in("olga")

    statuses = [client.get("/").status_code, client.get("/_dash-layout").status_code]
    statuses += [client.post(CALLBACK, json=callback_body("out", "children", "read")).status_code for _ in range(2)]
    page = client.get("/")

    assert statuses == [200] * 4
    assert page.status_code == 429
    assert "Try again in 60 s" in page.text


def test_a_command_of_a_page_counts_as_a_command(make_website: Make):
    website = make_website(limits={"commands": "2 per minute"})
    client = website.signed_in("olga")

    assert [client.post(CALLBACK, json=PRESS).status_code for _ in range(3)] == [200, 200, 429]
    assert client.post(CALLBACK, json=callback_body("out", "children", "read")).status_code == 200
    with website.store.read() as connection:
        keys = connection.exec_driver_sql("SELECT key FROM limit_counts WHERE used > 0").scalars().all()
    assert ["commands" in key for key in keys] == [True]


def test_who_comes_back_after_the_window_is_welcome(make_website: Make):
    website = make_website(limits={"global": "1 per minute"})
    client = website.signed_in("victor")
    assert [client.get("/api/auth/check").status_code for _ in range(2)] == [200, 429]

    website.clock.advance(60)

    assert client.get("/api/auth/check").status_code == 200


# ── what is kept of it ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_administrator_sees_who_met_a_limit_and_who_came_near(make_website: Make):
    website = make_website(limits={"global": "5 per minute"})
    victor, ada = website.signed_in("victor"), website.signed_in("ada")
    for _ in range(4):
        victor.get("/api/auth/check")

    near = ada.get("/api/admin/limits").get_json()["marks"]
    for _ in range(3):
        victor.get("/api/auth/check")
    met = ada.get("/api/admin/limits").get_json()["marks"]

    assert [(m["group"], m["who"], m["near"], m["met"], m["allowed"]) for m in near] == [("global", "victor", 1, 0, 5)]
    assert [(m["who"], m["near"]) for m in met if m["group"] == "global"] == [("victor", 1)]
    assert met[0]["met"] >= 1
    log = ada.get("/api/admin/audit?event=rate_limit").get_json()["lines"]
    assert (log[0]["event"], log[0]["user"], log[0]["reason"]) == ("rate_limit.exceeded", "victor", "global")


# ── the store of the counts is away ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    try:
        with redises.server(tmp_path) as url:
            client = redis.Redis.from_url(url)
            client.flushdb()
            yield url
            client.flushdb()
            client.close()
    except redises.NoRedis as error:
        pytest.skip(str(error))


def test_redis_counts_everything_for_all_processes(make_website: Make, redis_url: str):
    limits = {"global": "4 per minute"}
    one = make_website(limits=limits, limits_url=redis_url)
    other = make_website(limits=limits, limits_url=redis_url, people=False)
    token = {"Authorization": f"Bearer {one.token('victor')}"}

    statuses = [
        website.anonymous().get("/api/auth/check", headers=token).status_code
        for website in (one, other, one, other, one)
    ]

    assert statuses == [200, 200, 200, 200, 429]
    for number in range(5):
        try_password((one, other)[number % 2], "olga")
    assert try_password(one, "olga", PASSWORD) == 429
    with one.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM limit_counts").scalar() == 0


def test_without_redis_reads_pass_and_nobody_signs_in(make_website: Make):
    website = make_website()
    token = {"Authorization": f"Bearer {website.token('victor')}"}
    website = make_website(limits_url="redis://127.0.0.1:9/0", people=False)  # nothing listens there

    read = website.anonymous().get("/api/auth/check", headers=token)
    refused = website.anonymous().post("/api/auth/login", json={"username": "victor", "password": PASSWORD})

    assert read.status_code == 200
    assert refused.status_code == 503
    assert "attempts cannot be counted" in refused.get_json()["error"]
    assert "Set-Cookie" not in refused.headers


def test_without_redis_a_command_is_not_sent(make_website: Make):
    website = make_website()
    token = {"Authorization": f"Bearer {website.token('olga')}"}
    website = make_website(limits_url="redis://127.0.0.1:9/0", people=False)

    answer = website.anonymous().post(CALLBACK, json=PRESS, headers=token)

    assert answer.status_code == 503
    assert "nothing was sent" in answer.get_json()["error"]


def test_reads_are_still_limited_while_redis_is_away(make_website: Make):
    website = make_website()
    token = {"Authorization": f"Bearer {website.token('victor')}"}
    website = make_website(limits={"global": "3 per minute"}, limits_url="redis://127.0.0.1:9/0", people=False)

    statuses = [website.anonymous().get("/api/auth/check", headers=token).status_code for _ in range(5)]

    assert statuses == [200, 200, 200, 429, 429]


def test_the_defaults_are_the_contracts():
    contract = {"projects": "30 per minute", "agents": "60 per minute", "telemetry": "120 per minute"}

    assert contract.items() <= DEFAULT_LIMITS.items()
    assert DEFAULT_LIMITS["auth"] == "5 per 15 minutes"
