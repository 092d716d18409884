"""What the pages for administrators say and where they lead, without a page around it."""

import pandas as pd
import pytest

from observatory.components import access, forms, people, records
from observatory.errors import Invalid
from observatory.model import DAY, Role

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on macOS"),
        ("Mozilla/5.0 (iPhone; OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        ("curl/8.5.0", "curl 8.5.0"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_a_browser_is_told_in_short_words(agent: str, said: str) -> None:
    assert access.browser(agent) == said


@pytest.mark.parametrize("name", ["mira", "a.b_c@d-e", "with space", "ä/ö", ".."])
def test_a_dialog_is_found_again_by_its_fragment(name: str) -> None:
    assert forms.asked(forms.to("disable", name)) == ("disable", name)


@pytest.mark.parametrize("fragment", [None, "", "#", "#~zz", "#disable/~zz", "#/", "#a/b/c"])
def test_any_fragment_can_be_read(fragment: str | None) -> None:
    assert forms.asked(fragment)[1] == ""


def test_ids_are_typed_with_commas_or_spaces() -> None:
    assert forms.split(" loom, harbour;meadow  kiln,") == ["loom", "harbour", "meadow", "kiln"]


def test_a_role_nobody_offers_is_a_fault_and_no_crash() -> None:
    assert forms.role_of("viewer") is Role.VIEWER
    with pytest.raises(Invalid):
        forms.role_of("emperor")


def test_filters_go_from_the_address_into_pages_and_exports() -> None:
    wanted = records.asked("?event=user.&text=a%26b&range=24h&before=17&other=1")

    assert wanted == {"event": "user.", "text": "a&b", "range": "24h", "before": "17"}
    assert records.before(wanted) == 17
    assert records.since(wanted, NOW) == NOW - DAY
    assert records.address(wanted, before=3) == "/admin/audit?event=user.&text=a%26b&range=24h&before=3"
    since = NOW - DAY
    assert records.export(wanted, "csv", NOW) == f"{records.EXPORT}?format=csv&event=user.&text=a%26b&since={since}"


@pytest.mark.parametrize("search", [None, "", "?", "?before=x", "?range=forever", "?event="])
def test_filters_that_mean_nothing_are_none(search: str | None) -> None:
    wanted = records.asked(search)

    assert records.before(wanted) is None
    assert records.since(wanted, NOW) is None


def test_people_are_counted_in_a_sentence() -> None:
    everybody = pd.DataFrame(
        [("admin", "active"), ("viewer", "active"), ("viewer", "invited"), ("operator", "disabled")],
        columns=["role", "state"],
    )

    assert people.note(everybody) == "4 people: 1 admin, 2 viewers, 1 disabled. 1 has not chosen a password yet."
