"""The way in and the way out, as a person takes it."""

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.expectations import PageExpectations
from tests.support.product import PASSWORD, Product


def submit(page: Page, password: str) -> None:
    page.locator("#username").fill("admin")
    page.locator("#password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_password_is_refused_in_a_sentence_and_the_right_one_leads_in(
    context: BrowserContext, demo: Product, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 POST .*/login$")
    page = context.new_page()
    page.goto(f"{demo.url}/login")

    submit(page, "not the password")

    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.locator("#username")).to_have_value("admin")
    expect(page.locator("#password")).to_have_value("")
    expect(page.locator("#password")).to_be_focused()

    submit(page, PASSWORD)

    expect(page).to_have_url(f"{demo.url}/")
    expect(page.locator(".standing h1")).to_be_visible()
    expect(page.locator("#shell-user")).to_contain_text("admin")


def test_a_stranger_is_asked_to_sign_in_and_then_stands_where_they_wanted_to_go(
    context: BrowserContext, demo: Product
) -> None:
    page = context.new_page()
    page.goto(f"{demo.url}/services/bridge-server")
    expect(page).to_have_url(f"{demo.url}/login?next=/services/bridge-server")

    submit(page, PASSWORD)

    expect(page).to_have_url(f"{demo.url}/services/bridge-server")
    expect(page.locator("h1")).to_contain_text("Bridge server")


def test_whoever_is_signed_in_needs_no_form(page: Page, demo: Product) -> None:
    page.goto(f"{demo.url}/login")

    expect(page).to_have_url(f"{demo.url}/")


def test_after_signing_out_the_back_button_shows_nothing(page: Page, demo: Product) -> None:
    expect(page.locator(".card.metric")).to_have_count(8)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{demo.url}/login")

    page.go_back()

    page.wait_for_url(lambda url: "/login" in url)
    expect(page.locator("#username")).to_be_visible()
    expect(page.locator(".card, .standing, .strip-cell")).to_have_count(0)


def test_a_page_that_does_not_exist_is_a_404_in_the_shell(
    page: Page, demo: Product, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^404 GET .*/nowhere$")

    answer = page.goto(f"{demo.url}/nowhere")

    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1")).to_contain_text("404")
    expect(page.get_by_role("navigation").get_by_role("link", name="Overview")).to_be_visible()


def test_the_keyboard_alone_is_enough(context: BrowserContext, demo: Product) -> None:
    page = context.new_page()
    page.goto(f"{demo.url}/login")
    expect(page.locator("#username")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.url}/")
    expect(page.locator(".strip-cell").first).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".strip-cell a").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/services/*")
    expect(page.locator("#service-head h1")).to_be_visible()


def test_a_session_that_was_ended_elsewhere_leads_back_to_the_form(
    page: Page, demo: Product, context: BrowserContext, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 (GET|POST) .*/(api/stream|_dash-update-component)")
    other = context.new_page()
    sign_in_again = f"{demo.url}/login?next=%2F"
    other.goto(f"{demo.url}/services")
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(f"{demo.url}/login")

    page.wait_for_url(sign_in_again, timeout=20_000)  # the stream looks at its session every 5 s
    expect(page.locator("#username")).to_be_visible()


def test_who_signs_out_after_the_session_is_over_is_led_nowhere_else_and_told_so(
    page: Page, demo: Product, context: BrowserContext, page_expectations: PageExpectations
) -> None:
    page_expectations.allow(r"^401 (GET .*/api/(targets|stream)|POST .*/logout)")
    page.goto(f"{demo.url}/services")
    form = page.locator("form[action='/logout']")
    form.evaluate("form => { form.addEventListener('submit', event => event.preventDefault()); form.requestSubmit(); }")
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert context.request.post(f"{demo.url}/api/auth/logout", headers=headers).ok

    with page.expect_response("**/api/targets") as refused:
        page.evaluate("void fetch('/api/targets')")
    assert refused.value.status == 401
    form.evaluate("form => form.submit()")

    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.get_by_role("link", name="Back to the overview").click()
    expect(page).to_have_url(f"{demo.url}/login")
