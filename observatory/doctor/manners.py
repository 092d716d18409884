"""What can be claimed of all answers of a service together."""

from collections.abc import Mapping

from observatory.doctor.asking import MISSING
from observatory.doctor.claims import GATEWAY, at, moment, shown, tells_error
from observatory.doctor.findings import HELD, Finding, Replies, broken, first, untold

# ── all answers of a service ─────────────────────────────────────────────────────────────────────────────────────────


def said_to_be_json(replies: Replies) -> Finding:
    found = [one for one in replies if isinstance(one.body, dict | list)]
    if not found:
        return untold("No JSON came.")
    odd = next((one for one in found if "json" not in one.headers.get("content-type", "").lower()), None)
    return HELD if odd is None else broken(f"{odd.asked} is sent as {odd.headers.get('content-type', 'nothing')!r}.")


def not_kept(replies: Replies) -> Finding:
    found = [one for one in replies if isinstance(one.body, dict | list)]
    if not found:
        return untold("No JSON came.")
    odd = next((one for one in found if "no-store" not in one.headers.get("cache-control", "").lower()), None)
    return HELD if odd is None else broken(f"{odd.asked} may be kept: no `Cache-Control: no-store`.")


def errors_in_form(replies: Replies) -> Finding:
    found = [one for one in replies if one.answer is not None and not 200 <= one.status < 300]
    hidden = next((one for one in replies if 200 <= one.status < 300 and tells_error(one)), None)
    if hidden is not None:
        return broken(f"{hidden.asked} reports an error with status {hidden.status}.", "Q11")
    if not found:
        return untold("No error came.")
    odd = next((one for one in found if not tells_error(one) or not isinstance(one.body["error"], str)), None)
    if odd is None:
        return HELD
    quirk = "Q18" if odd.status in GATEWAY or odd.answer is None or odd.answer.is_html else ""
    return broken(f"{odd.asked} was refused with {odd.status} and no JSON with `error`.", quirk)


def limits_told(replies: Replies) -> Finding:
    """The three headers, on whatever has one of them."""
    found = [one for one in replies if any(name.lower().startswith("x-ratelimit-") for name in one.headers)]
    if not found:
        return untold("No answer speaks of a limit; without one none has to.")
    return first(limit_headers(one.headers) for one in found)


def limit_headers(headers: Mapping[str, str]) -> Finding:
    for name in ("x-ratelimit-limit", "x-ratelimit-remaining"):
        if not headers.get(name, "").isdecimal():
            return broken(f"`{name}` is {shown(headers.get(name, MISSING))}, no whole number.")
    found = moment("x-ratelimit-reset", headers.get("x-ratelimit-reset", MISSING))
    return broken(found.why, "Q16") if found.quirk else found


def limits_exposed(replies: Replies) -> Finding:
    found = [one.headers for one in replies if "x-ratelimit-limit" in one.headers]
    if not found:
        return untold("No answer speaks of a limit.")
    good = all("x-ratelimit-limit" in one.get("access-control-expose-headers", "").lower() for one in found)
    return HELD if good else broken("`Access-Control-Expose-Headers` does not name them.")


def throttles(replies: Replies) -> Finding:
    found = next((one for one in replies if one.status == 429), None)
    if found is None:
        return untold("It did not throttle us.")
    wait = found.headers.get("retry-after", "")
    if not wait.isdecimal():
        return broken(f"`Retry-After` is {wait!r}." if wait else "There is no `Retry-After`.", "Q16")
    said = at(found.body, "error")
    return HELD if said == "Too many requests" else broken(f"`error` is {shown(said)}.", "Q16")
