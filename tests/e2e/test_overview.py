"""The overview of the demo: what is wrong, what runs, and every number with its source and its age."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.accessibility import equip, findings, overhang
from tests.support.product import Product, sign_in
from tests.support.waiting import wait_for

CARDS = {
    "Active agents", "Tasks completed", "Success ratio", "Response time", "CPU", "Memory", "Disk", "Uptime",
}  # fmt: skip
SERVICES = {"Bridge server", "MCP daemon", "DevKit API", "Nexus Console", "Observatory"}
AGE = re.compile(r"^\d+ (s|min) ago")
STATES = {"live", "late", "stale", "down", "paused", "unknown"}
# The first `M x,y` and how many points follow: what plotly really drew.
POINTS = (
    "path => (path.getAttribute('d').match(/[ML]/g) || []).length + (path.getAttribute('d').match(/,/g) || []).length"
)


def test_the_first_sentence_tells_the_state_of_everything(page: Page) -> None:
    sentence = page.locator(".standing h1")

    expect(sentence).to_have_text(
        re.compile(r"services? up|answer|reach|unreachable|sent nothing|turned us away|asked us")
    )
    expect(sentence).to_contain_text("agent")
    expect(page.locator(".standing .shape")).to_be_visible()


def test_every_service_has_a_cell_with_shape_word_and_a_day(page: Page) -> None:
    cells = page.locator(".strip-cell")
    expect(cells).to_have_count(len(SERVICES))

    assert set(cells.locator(".strip-name").all_inner_texts()) == SERVICES
    for cell in cells.all():
        mark = cell.locator(".state-mark:not(.compact)")
        expect(mark.locator(".state-word")).to_have_text(re.compile("|".join(STATES)))
        wait_for(partial(has_shape, mark.locator(".shape")), what="a shape")  # a tick may just replace the element
        expect(cell.locator(".ribbon")).to_have_attribute("aria-label", re.compile("Last 24 hours"))


def has_shape(shape: Locator) -> bool:
    """Whether something is drawn: an element of a size, cut out by a mask."""
    return bool(
        shape.evaluate(
            "element => element.getBoundingClientRect().width > 4"
            " && getComputedStyle(element).maskImage.startsWith('url(')"
        )
    )


def test_services_that_answer_do_not_look_old_between_two_questions(page: Page) -> None:
    """Nothing but the stream tells of them for up to 30 s, fifteen of their intervals."""
    marks = page.locator(".strip-cell .state-mark[data-measured]")
    expect(marks).to_have_count(len(SERVICES), timeout=30_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "_dash-update" in request.url else None)

    def looked_old() -> list[str]:
        return [word for word in marks.locator(".state-word").all_inner_texts() if word == "stale"]

    # Long enough without a question that a mark nobody keeps current would be stale (three intervals of 2 s).
    quiet_since = page.evaluate("performance.now()")
    while page.evaluate("performance.now()") - quiet_since < 7000:
        if asked:
            asked.clear()
            quiet_since = page.evaluate("performance.now()")
        assert not looked_old()


def test_eight_cards_show_value_unit_and_age(page: Page) -> None:
    cards = page.locator(".card.metric")
    expect(cards).to_have_count(len(CARDS))

    assert set(cards.locator(".card-label").all_inner_texts()) == CARDS
    for card in cards.all():
        expect(card.locator(".card-number > .reading-value")).to_have_text(re.compile(r"\d"))
        expect(card.locator(".reading-age")).to_have_text(AGE)
        expect(card).to_have_attribute("data-state", re.compile("live|late"))
    units = cards.filter(has_text=re.compile("CPU|Memory|Disk|Success")).locator(".card-number > .reading-unit")
    assert set(units.all_inner_texts()) == {"%"}


def test_two_charts_are_drawn_with_many_points(page: Page) -> None:
    for graph in ("overview-system", "overview-work"):
        lines = page.locator(f"#{graph} .scatterlayer .js-line")
        expect(lines.first).to_be_attached(timeout=20_000)
        assert lines.count() >= 2
        for line in lines.all()[:2]:
            wait_for(lambda line=line: line.evaluate(POINTS) > 50, what="a line of many points")  # type: ignore[misc]


def test_what_the_simulator_said_says_so_everywhere(page: Page) -> None:
    expect(page.locator(".card.metric")).to_have_count(len(CARDS))
    expect(page.get_by_role("note").filter(has_text="Simulated data")).to_be_visible()

    for card in page.locator(".card.metric").all():
        expect(card.locator(".state-mark[data-state=simulated]")).to_contain_text("simulated")
    for cell in page.locator(".strip-cell").filter(has_not_text="Observatory").all():
        expect(cell.locator(".state-mark[data-state=simulated]")).to_have_text("simulated")
    own = page.locator(".strip-cell").filter(has_text="Observatory")
    expect(own.locator(".state-mark[data-state=simulated]")).to_have_count(0)
    events = page.locator(".event")
    expect(events.first).to_be_visible()
    told = [event.inner_text() for event in events.all() if "Bridge server" in event.inner_text()]
    assert told
    assert all("simulated" in text for text in told)


def test_ages_count_by_themselves(page: Page) -> None:
    time = page.locator(".card.metric .reading-age").first
    expect(time).to_have_text(AGE)
    first = time.inner_text()

    wait_for(lambda: time.inner_text() != first, what="another age")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_can_be_read_by_everybody(
    visitor: Callable[..., BrowserContext], demo: Product, scheme: str, width: int
) -> None:
    context = visitor(color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce")
    equip(context)
    page = context.new_page()
    page.goto(f"{demo.url}/login")
    faults = [f"/login {fault}" for fault in faults_of(page)]
    sign_in(page, demo)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
    for path, drawn in (
        ("/", ".card.metric"),
        ("/services", "#services-table tbody tr"),
        ("/services/bridge-server", "#service-series tbody tr"),
    ):
        page.goto(demo.url + path)
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        faults += [f"{path} {fault}" for fault in faults_of(page)]

    assert not faults, "\n".join(faults)


def faults_of(page: Page) -> list[str]:
    over = overhang(page)
    return [*([f"scrolls sideways by {over} px"] if over > 0 else []), *findings(page)]


def test_a_planted_fault_of_contrast_would_be_found(visitor: Callable[..., BrowserContext], demo: Product) -> None:
    """The control of the test above."""
    context = visitor()
    equip(context)
    page = context.new_page()
    page.goto(f"{demo.url}/login")
    page.evaluate("document.querySelector('h1').style.color = '#bbb'; document.body.style.minWidth = '3000px'")

    assert any("color-contrast" in fault for fault in faults_of(page))
    assert any("scrolls sideways" in fault for fault in faults_of(page))
