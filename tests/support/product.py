"""The whole product as a person starts it, and the way in."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.support.processes import Process, answers, observatory

PASSWORD = "correct horse battery staple"
SECRETS = {
    "JWT_SECRET": "jwt-0123456789abcdef0123456789abcdef",
    "SESSION_SECRET": "ses-0123456789abcdef0123456789abcdef",
}
START = 60.0  # seconds: two shared cores import pandas and Dash in several processes at once


@dataclass(frozen=True, slots=True)
class Product:
    """A running observatory."""

    url: str
    data: Path
    process: Process


def start(folder: Path, port: int, env: dict[str, str]) -> Product:
    """`observatory serve` on `port` with its data in `folder`; answers when this returns."""
    folder.mkdir(parents=True, exist_ok=True)
    nothing = folder / "observatory.toml"  # a developer's own file must not be found
    nothing.touch()
    settings = {
        "PORT": str(port),
        "OBSERVATORY_DATA": str(folder),
        "OBSERVATORY_CONFIG": str(nothing),
        "OBSERVATORY_ADMIN_PASSWORD": PASSWORD,
        **SECRETS,
        **env,
    }
    process = observatory("serve", log=folder / "log", env=settings)
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_until(lambda: answers(f"{url}/healthz"), timeout=START, what=f"an answer of {url}/healthz")
    except BaseException:
        process.end()
        raise
    return Product(url, folder, process)


def sign_in(page: Page, product: Product, *, user: str = "admin", password: str = PASSWORD) -> None:
    """Sign in through the form, as a person does, and arrive at the overview."""
    page.goto(f"{product.url}/login")
    page.locator("#username").fill(user)
    page.locator("#password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.split("?")[0].endswith("/login"))
