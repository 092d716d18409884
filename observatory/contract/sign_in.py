"""What a service gives to whoever signs in: N3, N4, and the dashboard's own O2."""

from typing import Any

from pydantic import AliasChoices, Field, model_validator

from observatory.contract.normalise import Message, Text, Uncut, Words


class Token(Message):
    """N3, N4: a token under either of its names."""

    token: str = Field(min_length=1, validation_alias=AliasChoices("token", "accessToken", "access_token"))
    refresh_token: Text = ""


class User(Message):
    id: str = Field(min_length=1, validation_alias=AliasChoices("id", "userId", "user_id"))
    permissions: Words = ()
    project_ids: Words = ()


class SignedIn(Message):
    """Who signed in; `token` is "" where it came as a cookie alone (Q17)."""

    user: User
    token: Uncut = Field(default="", validation_alias=AliasChoices("token", "accessToken", "access_token"))

    @model_validator(mode="before")
    @classmethod
    def wrap(cls, value: Any) -> Any:
        return {"user": value} if isinstance(value, dict) and "user" not in value else value
