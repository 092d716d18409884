"""What can be claimed of the frames of a stream."""

from collections.abc import Callable
from typing import Any

from observatory.contract.normalise import instant
from observatory.doctor.asking import Heard
from observatory.doctor.claims import at, moment, shown
from observatory.doctor.findings import HELD, Finding, broken, first, untold

E1 = {"metrics", "agent_status_update", "agent_status_full", "context", "log", "error", "subscribed", "ping", "pong"}
BARE_TYPES = {"subscribed", "unsubscribed", "ping", "pong", "authenticated", "error"}  # need no data
OF_A_PROJECT = {"metrics", "agent_status_update", "agent_status_full", "agent_status", "telemetry"}


# ── the stream ───────────────────────────────────────────────────────────────────────────────────────────────────────


def opens(heard: Heard) -> Finding:
    return broken(f"It did not open: {heard.failure}.") if heard.failure else HELD


def acknowledged(heard: Heard) -> Finding:
    types = [frame.get("type") for frame in heard.frames]
    return HELD if "subscribed" in types else broken("No `subscribed` came after `subscribe`.")


def full_status(heard: Heard) -> Finding:
    if any(frame.get("type") == "agent_status_full" for frame in heard.frames):
        return HELD
    other = next((frame["type"] for frame in heard.frames if envelope(frame).quirk), None)
    if other is not None:
        return broken(f"What came in its place is {shown(other)}.", "Q9")
    return broken("No status of the agents came after `subscribe`.")


def answered_ping(heard: Heard) -> Finding:
    return HELD if any(frame.get("type") == "pong" for frame in heard.frames) else broken("No `pong` came.")


def canonical_envelope(heard: Heard) -> Finding:
    return of_frames(heard, envelope)


def envelope(frame: dict[str, Any]) -> Finding:
    type_ = frame.get("type")
    if type_ not in E1:
        return broken(f"`type` is {shown(type_)}, of another envelope.", "Q9" if isinstance(type_, str) else "")
    if type_ in BARE_TYPES or isinstance(frame.get("data"), dict):
        return HELD
    return broken(f"A frame {shown(type_)} has no `data`.", "Q9")


def frame_times(heard: Heard) -> Finding:
    """Frames of the other envelopes need not have a time."""
    return of_frames(heard, lambda frame: moment("timestamp", frame["timestamp"]) if "timestamp" in frame else HELD)


def frame_projects(heard: Heard) -> Finding:
    def check(frame: dict[str, Any]) -> Finding:
        needed = frame.get("type") in OF_A_PROJECT
        return HELD if not needed or frame.get("projectId") else broken("A frame does not say `projectId`.", "Q10")

    return of_frames(heard, check)


def all_objects(heard: Heard) -> Finding:
    return broken(f"This is no JSON object: {heard.others[0][:60]!r}.") if heard.others else HELD


def in_order(heard: Heard) -> Finding:
    """No frame twice, and none older than one of its kind before it."""
    newest: dict[object, int] = {}
    for frame in heard.frames:
        time = instant(frame.get("timestamp"))
        if frame.get("type") not in OF_A_PROJECT or time is None:
            continue
        of = (frame.get("type"), str(at(frame, "data.agentId")))
        if heard.frames.count(frame) > 1 or time < newest.get(of, 0):
            return broken("A frame came again, or after a newer one.", "Q23")
        newest[of] = time
    return HELD if newest else untold("No frame came that could be out of order.")


def of_frames(heard: Heard, check: Callable[[dict[str, Any]], Finding]) -> Finding:
    return first(map(check, heard.frames)) if heard.frames else untold("No frame came.")
