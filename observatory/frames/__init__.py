"""What the pages and the API ask of the store: a function a question, a DataFrame each."""

from observatory.frames import agents, events, people, projects, series, services, streams

__all__ = ["agents", "events", "people", "projects", "series", "services", "streams"]
