"""The pages for administrators, as an administrator and as those he looks after go through them."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.accessibility import equip, findings, overhang
from tests.support.expectations import PageExpectations
from tests.support.processes import free_port
from tests.support.product import PASSWORD, Product, sign_in, start

HERS = "a Quiet lighthouse 7!"
PROJECTS = re.compile("^Projects")
LINK = re.compile(r"^http://127\.0\.0\.1:\d+/setup/[\w-]+$")
SECTIONS = {
    "People": "#admin-people-table tbody tr",
    "Sessions": "#admin-sessions-table tbody tr",
    "API tokens": "#admin-tokens-table .empty, #admin-tokens-table tbody tr",
    "Audit log": "#admin-audit-table tbody tr",
    "Limits": "#admin-limits-table .empty, #admin-limits-table tbody tr",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product for the tests of this module: each adds people of its own, and none adds another administrator."""
    running = start(tmp_path_factory.mktemp("house"), free_port(), {})
    try:
        yield running
    finally:
        running.process.end()


@pytest.fixture
def admin(house: Product, visitor: Callable[..., BrowserContext]) -> Page:
    """A page of the administrator, at the people. Its browser is closed before the product ends."""
    page = visitor().new_page()
    sign_in(page, house)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Admin").click()
    expect(row(page, "admin")).to_have_count(1)
    return page


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def submit(page: Page, word: str) -> None:
    dialog(page).get_by_role("button", name=word, exact=True).click()


def secret(page: Page) -> str:
    """What is shown once in the open dialog, which is then closed."""
    shown = dialog(page).locator(".once code")
    expect(shown).to_be_visible()
    expect(dialog(page)).to_contain_text("It is not shown again.")
    text = shown.inner_text()
    submit(page, "Done")
    expect(dialog(page)).to_have_count(0)
    return text


def add(page: Page, name: str, projects: str = "") -> str:
    """Add a viewer; the link by which the password is chosen."""
    page.get_by_role("link", name="Add a person").click()
    dialog(page).get_by_label("Name").fill(name)
    dialog(page).get_by_label(PROJECTS).fill(projects)
    submit(page, "Add person")
    link = secret(page)
    assert LINK.match(link)
    return link


def choose_password(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("New password").fill(HERS)
    page.get_by_label("The same again").fill(HERS)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is set")


def row(page: Page, name: str) -> Locator:
    return page.locator("#content tbody tr").filter(has=page.locator("th", has_text=name))


def change(page: Page, name: str) -> None:
    row(page, name).get_by_role("link", name="Change").click()
    expect(dialog(page).get_by_role("heading", name=name)).to_be_visible()


def expire_confirmation(product: Product) -> None:
    """Set back when the password was last given, as if ten minutes had passed."""
    with sqlite3.connect(product.data / "observatory.sqlite3", timeout=20) as database:
        database.execute("UPDATE sessions SET confirmed_ms = confirmed_ms - 600000 WHERE confirmed_ms IS NOT NULL")


def test_somebody_added_chooses_a_password_and_sees_what_a_viewer_may(
    admin: Page, house: Product, visitor: Callable[..., BrowserContext]
) -> None:
    link = add(admin, "mira", "loom")
    expect(row(admin, "mira").locator(".state-word")).to_have_text("invited")
    theirs = visitor().new_page()
    choose_password(theirs, link)
    sign_in(theirs, house, user="mira", password=HERS)

    expect(theirs.locator("#shell-user")).to_contain_text("viewer")
    expect(theirs.get_by_role("navigation", name="Pages").get_by_role("link")).to_have_count(2)
    for path in ("/admin", "/admin/sessions", "/admin/tokens", "/admin/audit", "/admin/limits", "/admin#add"):
        theirs.goto("about:blank")
        theirs.goto(house.url + path)
        expect(theirs.locator("#content h1")).to_have_text("This page is for administrators.")
        expect(theirs.get_by_text("You are signed in as mira, viewer.")).to_be_visible()
        expect(theirs.locator("#content").get_by_role("table")).to_have_count(0)
    assert theirs.request.get(f"{house.url}/api/admin/users").status == 403


def test_a_link_is_good_once(
    admin: Page, visitor: Callable[..., BrowserContext], page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^410 GET .*/setup/")
    link = add(admin, "lena")
    theirs = visitor().new_page()
    choose_password(theirs, link)

    theirs.goto(link)

    expect(theirs.locator("h1")).to_have_text("This link is not good any more")


def test_another_role_ends_the_session_at_once(
    admin: Page, house: Product, visitor: Callable[..., BrowserContext], page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 (GET|POST) .*/(api/stream|_dash-update-component)")
    link = add(admin, "jonas")
    theirs = visitor().new_page()
    choose_password(theirs, link)
    sign_in(theirs, house, user="jonas", password=HERS)
    expect(theirs.locator("#shell-user")).to_contain_text("viewer")

    change(admin, "jonas")
    dialog(admin).get_by_text("Operator").click()
    submit(admin, "Save")
    expect(dialog(admin)).to_contain_text("jonas is operator now.")
    submit(admin, "Done")

    expect(row(admin, "jonas")).to_contain_text("operator")
    theirs.wait_for_url("**/login*", timeout=20_000)
    sign_in(theirs, house, user="jonas", password=HERS)
    expect(theirs.locator("#shell-user")).to_contain_text("operator")


def test_what_does_harm_says_so_and_asks_once_more(
    admin: Page, house: Product, visitor: Callable[..., BrowserContext], page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 POST .*/login$")
    choose_password(visitor().new_page(), add(admin, "ida"))

    change(admin, "ida")
    dialog(admin).get_by_role("link", name="Disable…").click()
    expect(dialog(admin)).to_contain_text("ida cannot sign in, and is signed out at once")
    expect(row(admin, "ida").locator(".state-word")).not_to_have_text("disabled")
    submit(admin, "Disable")
    submit(admin, "Done")

    expect(row(admin, "ida").locator(".state-word")).to_have_text("disabled")
    theirs = visitor().new_page()
    theirs.goto(f"{house.url}/login")
    theirs.locator("#username").fill("ida")
    theirs.locator("#password").fill(HERS)
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs.get_by_role("alert")).to_be_visible()

    change(admin, "ida")
    dialog(admin).get_by_role("link", name="Erase for good…").click()
    submit(admin, "Erase for good")
    submit(admin, "Done")
    expect(row(admin, "ida")).to_have_count(0)
    admin.get_by_role("link", name="Audit log").click()
    expect(admin.locator("#admin-audit-table")).to_contain_text("somebody erased")


def test_the_last_administrator_stays_and_a_fault_loses_nothing_typed(admin: Page) -> None:
    change(admin, "admin")
    dialog(admin).get_by_text("Viewer").click()
    submit(admin, "Save")
    expect(dialog(admin).get_by_role("alert")).to_contain_text("The last administrator cannot be taken away")
    expect(dialog(admin).get_by_label("Viewer")).to_be_checked()
    admin.keyboard.press("Escape")
    expect(dialog(admin)).to_have_count(0)
    assert "#" not in admin.url

    admin.get_by_role("link", name="Add a person").click()
    dialog(admin).get_by_label("Name").fill("not a name!")
    dialog(admin).get_by_label(PROJECTS).fill("loom, x")
    admin.keyboard.press("Enter")
    expect(dialog(admin).get_by_role("alert").locator("p")).to_have_count(2)
    expect(dialog(admin).get_by_label("Name")).to_have_value("not a name!")
    expect(dialog(admin).get_by_label(PROJECTS)).to_have_value("loom, x")

    admin.go_back()
    expect(dialog(admin)).to_have_count(0)
    admin.go_forward()
    expect(dialog(admin).get_by_role("heading", name="Add a person")).to_be_visible()


def test_a_token_lets_a_program_in_until_it_is_revoked(admin: Page, house: Product) -> None:
    admin.get_by_role("link", name="API tokens").click()
    admin.get_by_role("link", name="Make a token").click()
    dialog(admin).get_by_label("Name").fill("nightly export")
    dialog(admin).get_by_label("Days it lasts").fill("900")
    submit(admin, "Make token")
    expect(dialog(admin).get_by_label("Days it lasts")).to_be_focused()  # the browser names the fault itself
    dialog(admin).get_by_label("Days it lasts").fill("30")
    submit(admin, "Make token")
    key = {"Authorization": f"Bearer {secret(admin)}"}

    assert httpx.get(f"{house.url}/api/targets", headers=key).status_code == 200
    assert httpx.get(f"{house.url}/api/admin/users", headers=key).status_code == 403
    expect(row(admin, "nightly export")).to_contain_text("valid")
    assert key["Authorization"].removeprefix("Bearer ") not in admin.content()

    row(admin, "nightly export").get_by_role("link", name="Revoke").click()
    submit(admin, "Revoke")
    submit(admin, "Done")
    expect(row(admin, "nightly export")).to_have_count(0)
    assert httpx.get(f"{house.url}/api/targets", headers=key).status_code == 401


def test_what_is_shown_once_can_be_copied(admin: Page, house: Product) -> None:
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=house.url)
    admin.get_by_role("link", name="Add a person").click()
    dialog(admin).get_by_label("Name").fill("noah")
    submit(admin, "Add person")
    button = dialog(admin).get_by_role("button", name="Copy")
    button.click()

    expect(dialog(admin).get_by_role("button", name="Copied")).to_be_visible()
    assert admin.evaluate("navigator.clipboard.readText()") == dialog(admin).locator(".once code").inner_text()


def test_a_session_is_ended_by_who_may(
    admin: Page, house: Product, visitor: Callable[..., BrowserContext], page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 (GET|POST) .*/(api/stream|_dash-update-component)")
    link = add(admin, "emil")
    other = visitor().new_page()
    choose_password(other, link)
    sign_in(other, house, user="emil", password=HERS)
    expect(other.locator("#shell-user")).to_contain_text("viewer")

    admin.get_by_role("link", name="Sessions").click()
    expect(row(admin, "admin").filter(has_text="this one")).to_have_count(1)
    expect(row(admin, "emil")).to_contain_text(re.compile("Chrome on Linux"))
    row(admin, "emil").get_by_role("link", name="End").click()
    submit(admin, "End session")
    submit(admin, "Done")

    expect(row(admin, "emil")).to_have_count(0)
    other.wait_for_url("**/login*", timeout=20_000)


def test_the_audit_log_shows_all_of_it_and_filters_stand_in_the_address(admin: Page, house: Product) -> None:
    add(admin, "hanna")
    add(admin, "felix")
    admin.get_by_role("link", name="Audit log").click()
    table = admin.locator("#admin-audit-table")
    for event in ("user.created", "auth.login.success"):
        expect(table).to_contain_text(event)

    admin.get_by_label("Event").select_option(label="Accounts")
    expect(table).not_to_contain_text("auth.login.success")
    admin.get_by_label("Contains").fill("hanna")
    admin.keyboard.press("Enter")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d$"))
    assert admin.url.endswith("/admin/audit?event=user.&text=hanna")

    with admin.expect_download() as waiting:
        admin.get_by_role("link", name="Export CSV").click()
    lines = waiting.value.path().read_text().splitlines()
    assert waiting.value.suggested_filename.endswith(".csv")
    assert len(lines) == 2 and ",user.created," in lines[1] and ",hanna," in lines[1]

    admin.reload()
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(admin.get_by_label("Contains")).to_have_value("hanna")
    admin.get_by_role("link", name="Clear").click()
    expect(table).to_contain_text("auth.login.success")
    expect(admin.get_by_label("Contains")).to_have_value("")
    admin.go_back()
    expect(table.locator("tbody tr")).to_have_count(1)


def test_older_lines_are_a_page_away(admin: Page, house: Product) -> None:
    now = time.time_ns() // 1_000_000
    with sqlite3.connect(house.data / "observatory.sqlite3", timeout=20) as database:
        subject = database.execute("SELECT max(id) FROM audit_subjects").fetchone()[0]
        lines = [(now, now, f"made.up{number}", subject) for number in range(60)]
        database.executemany(
            "INSERT INTO audit (at_ms, until_ms, event, level, subject_id) VALUES (?, ?, ?, 'info', ?)", lines
        )
    admin.goto(f"{house.url}/admin/audit?event=made.")
    rows = admin.locator("#admin-audit-table tbody tr")
    expect(rows.first).to_contain_text("made.up59")

    admin.get_by_role("link", name="Older").click()
    expect(rows.first).to_contain_text("made.up34")
    admin.get_by_role("link", name="Older").click()
    expect(rows.last).to_contain_text("made.up0")
    expect(admin.get_by_text("No older ones")).to_be_visible()
    admin.get_by_role("link", name="Newest").click()
    expect(rows.first).to_contain_text("made.up59")


def test_after_ten_minutes_the_password_is_asked_for_and_leads_back(admin: Page, house: Product) -> None:
    expire_confirmation(house)
    admin.get_by_role("link", name="Add a person").click()
    expect(dialog(admin).get_by_role("heading", name="Confirm it is you")).to_be_visible()
    expect(dialog(admin).locator("input")).to_have_count(0)
    dialog(admin).get_by_role("link", name="Give the password").click()

    expect(admin.locator("h1")).to_have_text("Confirm it is you")
    admin.get_by_label("Password").fill(PASSWORD)
    admin.get_by_role("button", name="Confirm").click()

    expect(admin).to_have_url(f"{house.url}/admin#add")
    dialog(admin).get_by_label("Name").fill("carl")
    submit(admin, "Add person")
    assert LINK.match(secret(admin))


def test_ten_minutes_that_pass_in_an_open_form_lose_nothing(
    admin: Page, house: Product, page_expectations: PageExpectations
) -> None:
    """The page does not know that they are over: the guard says it, and the form is there again afterwards."""
    page_expectations.allow(r"^403 POST .*/_dash-update-component")
    admin.get_by_role("link", name="Add a person").click()
    dialog(admin).get_by_label("Name").fill("britta")
    dialog(admin).get_by_text("Operator").click()
    expire_confirmation(house)
    submit(admin, "Add person")

    expect(admin).to_have_url(re.compile(r"/confirm\?next="))
    admin.get_by_label("Password").fill(PASSWORD)
    admin.get_by_role("button", name="Confirm").click()

    expect(dialog(admin).get_by_label("Name")).to_have_value("britta")
    expect(dialog(admin).get_by_label("Operator")).to_be_checked()
    submit(admin, "Add person")
    assert LINK.match(secret(admin))


def test_the_way_to_another_password_stands_beside_the_name(admin: Page, house: Product) -> None:
    admin.get_by_role("link", name="Change password").click()

    expect(admin).to_have_url(f"{house.url}/password")
    expect(admin.locator("h1")).to_have_text("Change your password")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_section_and_dialog_can_be_read_by_everybody(
    visitor: Callable[..., BrowserContext], demo: Product, scheme: str, width: int
) -> None:
    context = visitor(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    equip(context)
    page = context.new_page()
    sign_in(page, demo)
    page.goto(f"{demo.url}/admin")
    faults = []
    for word, drawn in SECTIONS.items():
        page.get_by_role("navigation", name="Administration").get_by_role("link", name=word).click()
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        faults += [f"{word} {fault}" for fault in faults_of(page)]
    for path in (
        "/admin#add", "/admin#change/admin", "/admin#erase/admin", "/admin/tokens#new", "/admin/sessions#end-all/admin",
    ):  # fmt: skip
        page.goto("about:blank")
        page.goto(demo.url + path)
        expect(dialog(page).get_by_role("button").first).to_be_visible()
        faults += [f"{path} {fault}" for fault in faults_of(page)]

    assert not faults, "\n".join(faults)


def faults_of(page: Page) -> list[str]:
    over = overhang(page)
    return [*([f"scrolls sideways by {over} px"] if over > 0 else []), *findings(page)]
