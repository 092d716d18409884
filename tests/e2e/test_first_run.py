"""The first minutes: nothing is configured yet, and then only a host."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from observatory.discovery import DEFAULTS
from tests.support.exporter import host
from tests.support.processes import answers
from tests.support.product import Product, sign_in

VARIABLES = ("BRIDGE_API_URL", "MCP_DAEMON_URL", "HAPPY_DEVKIT_API", "NEXUS_CONSOLE_URL")


def test_with_nothing_to_watch_the_page_says_how_to_begin(
    product: Callable[..., Product], context: BrowserContext
) -> None:
    taken = [url for url in DEFAULTS.values() if answers(f"{url}/health") or answers(url)]
    if taken:
        pytest.fail(f"Something answers on {', '.join(taken)}: stop it, this test needs the default ports free.")
    page = context.new_page()
    sign_in(page, product())

    expect(page.get_by_role("heading", name="Nothing is watched yet.")).to_be_visible()
    for variable in VARIABLES:
        expect(page.get_by_text(variable, exact=True)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    expect(page.locator(".card.metric, .strip-cell")).to_have_count(0)
    expect(page.locator("[data-state=down], [data-state=error], [data-state=failed]")).to_have_count(0)
    expect(page.get_by_role("note")).to_have_count(0)


def test_a_host_alone_shows_real_numbers(
    product: Callable[..., Product], context: BrowserContext, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with host(tmp_path / "exporter-log") as (url, metric):
        target = f'[[target]]\nname = "host"\nkind = "prometheus"\nurl = "{url}"\ninterval = "2s"\n'
        (folder / "observatory.toml").write_text(target)
        running = product()
        page = context.new_page()
        sign_in(page, running)
        page.goto(f"{running.url}/services/host")
        expect(page.locator("#service-head h1")).to_have_text(re.compile("host is up"))
        page.locator("#service-search").fill(metric)
        row = page.locator("#service-series tbody tr").first
        expect(row).to_contain_text(metric)
        expect(row.locator(".reading-value").first).to_have_text(re.compile(r"\d"))
        expect(row.locator("td").last).to_have_text(re.compile(r"\d+ s"))
        expect(row.locator(".state-mark[data-state=simulated]")).to_have_count(0)

        page.goto(f"{running.url}/services/observatory")
        expect(page.locator("#service-head h1")).to_have_text(re.compile("Observatory is up"))
        expect(page.locator("#service-series .reading-value").first).to_have_text(re.compile(r"\d"))
        page.goto(f"{running.url}/services")
        expect(page.locator("#services-table tbody tr")).to_have_count(2)
        expect(page.locator("#services-table")).not_to_contain_text("simulated")
