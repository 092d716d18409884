"""What the pages and the API ask of the store: a function a question, a DataFrame each."""

from observatory.frames import agents, events, series, services

__all__ = ["agents", "events", "series", "services"]
