"""A setting has one definition; the documentation and the example are made from it."""

import importlib.util
import json
from dataclasses import fields
from types import ModuleType

import pytest

from observatory.config import Settings, load
from tests.support.processes import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names() -> list[str]:
    return [name for item in fields(Settings) for name in item.metadata["names"]]


def test_the_documentation_lists_the_settings_of_the_code(generate: ModuleType) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert page == generate.configuration(page), "docs/configuration.md is old: run `make docs`"


def test_the_example_lists_the_settings_of_the_code(generate: ModuleType) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert example == generate.env_example(), ".env.example is old: run `make docs`"


def test_the_example_is_a_start_without_faults_when_everything_in_it_is_taken(generate: ModuleType) -> None:
    lines = generate.env_example().splitlines()
    taken = dict(line[1:].split("=", 1) for line in lines if line.startswith("#") and not line.startswith("# "))
    active = [line for line in lines if line and not line.startswith("#")]

    assert not active
    assert load(taken, create_secrets=False) == load({}, create_secrets=False)


def test_no_two_settings_share_a_variable() -> None:
    assert len(names()) == len(set(names()))


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_a_setting_explains_itself_in_a_sentence(item: object) -> None:
    assert item.metadata["help"].endswith(".")  # type: ignore[attr-defined]
    assert item.metadata["names"]  # type: ignore[attr-defined]


def test_the_deployment_sets_only_what_exists() -> None:
    deployment = json.loads((ROOT / "app.json").read_text())["env"]

    assert set(deployment) <= set(names())


def test_the_deployment_generates_the_secrets_that_production_demands() -> None:
    deployment = json.loads((ROOT / "app.json").read_text())["env"]

    assert {name for name, how in deployment.items() if how.get("generator") == "secret"} == {
        "JWT_SECRET",
        "SESSION_SECRET",
    }
