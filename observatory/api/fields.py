"""The forms of what stands in paths, queries and bodies: checked here, and told as patterns in the description."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from observatory.people import NAME, PROJECT, name_faults, project_faults

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
UPWARDS = re.compile(r"(^|[/\\])\.{1,2}([/\\]|$)")
LONGEST_TARGET = 100  # characters, as in the file of targets
LONGEST_AGENT = 100  # characters of any kind


def one_line(text: str) -> str:
    """PostgreSQL takes no NUL, and a log no line break that a stranger chose."""
    if CONTROL.search(text):
        raise ValueError("Control characters are not allowed here.")
    return text


def user_name(text: str) -> str:
    for fault in name_faults(text):
        raise ValueError(fault["message"])
    return text


def project_id(text: str) -> str:
    for fault in project_faults([text]):
        raise ValueError(fault["message"])
    return text


def target_name(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_TARGET:
        raise ValueError(f"A service's name has 1 to {LONGEST_TARGET} characters.")
    if UPWARDS.search(text):
        raise ValueError("A service's name does not lead upwards: . and .. are refused.")
    return one_line(text)


def told(pattern: str, example: str) -> object:
    """How the description tells a form. The validator beside it has better words for what is wrong."""
    return Field(json_schema_extra={"pattern": pattern, "examples": [example]})


Line: TypeAlias = Annotated[str, AfterValidator(one_line), Field(json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f]*$"})]
UserName: TypeAlias = Annotated[str, AfterValidator(user_name), told(f"^{NAME.pattern}$", "mira")]
ProjectId: TypeAlias = Annotated[str, AfterValidator(project_id), told(f"^{PROJECT.pattern}$", "loom")]
TargetName: TypeAlias = Annotated[
    str,
    AfterValidator(target_name),
    told(
        rf"^(?!(.*[/\\])?\.{{1,2}}([/\\]|$))[^\x00-\x1f\x7f]{{1,{LONGEST_TARGET}}}$",
        "bridge-server",
    ),
]
AgentId: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_AGENT, examples=["weaver-07"])]
SessionId: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["mJ3o1lXq0u5Zb7Yk2Wv9Rt4c"])]
Time: TypeAlias = Annotated[int, Field(examples=[1_767_268_800_000], description="Milliseconds since 1970.")]
Iso: TypeAlias = Annotated[str, Field(examples=["2026-01-01T12:00:00.000Z"], json_schema_extra={"format": "date-time"})]
