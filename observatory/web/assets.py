"""Everything the browser loads comes from here: named by content, compressed beforehand, kept for a year.

A file is known by a name such as `app.css` or `public/favicon.svg` and served under one that carries a hash of its
content, `/assets/app.3f2a….css`. Names under `public/` need no session; third-party files stand under `public/lib/`.
What Dash's component packages bring keeps Dash's own addresses, and is answered from the same cache.
"""

import gzip
import hashlib
import importlib.util
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import ModuleType

from dash.fingerprint import build_fingerprint, check_fingerprint
from flask import Flask, Response, request, send_file
from werkzeug.exceptions import NotFound

YEAR = 31_536_000
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
COMPRESSIBLE = {".css", ".js", ".svg", ".json", ".txt", ".map"}
FINGERPRINT = re.compile(r"^(?P<stem>.+)\.(?P<digest>[0-9a-f]{16})(?P<suffix>\.[a-z0-9]+)$")
CHUNK = re.compile(r"^(?!dash_table/)(?:.*/)?async-[\w-]+\.js$")  # of the table, nothing is ever loaded
CSS_URL = re.compile(r"""url\(\s*["']?(?!data:|https?:|/|#)([^"')]+?)["']?\s*\)""")

SMALL_PLOTLY = "plotly-cartesian.min.js"  # fetched at build time, never committed; without it Dash's own is used
SUITES = "/_dash-component-suites/"

# Quality 5 packs everything a page needs in about a second at the first start; a release step may use 11.
BROTLI_QUALITY, GZIP_LEVEL = 5, 6


@dataclass(frozen=True, slots=True)
class Packed:
    """One file as it is served: where each encoding of it lies ("" is the plain one)."""

    digest: str
    type: str
    encodings: Mapping[str, Path]


class Cache:
    """Compressed copies of files in a folder, named by the hash of what they hold. Several processes may share it."""

    def __init__(self, folder: Path, *, quality: int = BROTLI_QUALITY) -> None:
        self.folder, self.quality = folder, quality
        self.folder.mkdir(parents=True, exist_ok=True)

    def pack(self, path: Path, rewrite: Callable[[bytes], bytes] | None = None) -> Packed:
        """Compress the file at `path` unless that was done before. `rewrite` changes its content first."""
        content = path.read_bytes()
        plain = path
        if rewrite is not None:
            content = rewrite(content)
        digest = hashlib.sha256(content).hexdigest()[:16]
        if rewrite is not None:
            plain = self.keep(f"{digest}{path.suffix}", lambda: content)
        encodings = {"": plain}
        if path.suffix in COMPRESSIBLE:
            for encoding, squeeze in compressors(self.quality).items():
                encodings[encoding] = self.keep(f"{digest}.{encoding}", partial(squeeze, content))
        return Packed(digest, TYPES.get(path.suffix, "application/octet-stream"), encodings)

    def keep(self, name: str, make: Callable[[], bytes]) -> Path:
        path = self.folder / name
        if not path.exists():
            scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            scratch.write_bytes(make())
            scratch.replace(path)  # whole or not at all, also when two processes do it at once
        return path


def compressors(quality: int) -> dict[str, Callable[[bytes], bytes]]:
    """By encoding, the best first: brotli only where its package is installed."""
    found: dict[str, Callable[[bytes], bytes]] = {}
    if importlib.util.find_spec("brotli") is not None:
        brotli = importlib.import_module("brotli")
        found["br"] = lambda content: bytes(brotli.compress(content, quality=quality))
    found["gzip"] = lambda content: gzip.compress(content, GZIP_LEVEL, mtime=0)
    return found


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells cheaply whether a file changed."""

    modified: int
    size: int


class Assets:
    """Our own files, and the libraries that stand among them. A file edited on disk gets a new address at once."""

    def __init__(self, folder: Path, cache: Cache, libraries: Mapping[str, Path]) -> None:
        self.folder, self.cache, self.libraries = folder, cache, dict(libraries)
        self.known: dict[str, tuple[Stamp, Packed]] = {}

    def path(self, name: str) -> Path | None:
        """Where `name` lies; None when there is no such asset. Nothing outside the folder is ever found."""
        if name in self.libraries:
            return self.libraries[name]
        parts = PurePosixPath(name)
        if parts.is_absolute() or any(part in {"..", "."} or part.startswith(".") for part in name.split("/")):
            return None
        path = self.folder / parts
        if path.suffix not in TYPES or not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
            return None
        return path

    def packed(self, name: str) -> Packed | None:
        path = self.path(name)
        if path is None:
            return None
        stat = path.stat()
        stamp = Stamp(stat.st_mtime_ns, stat.st_size)
        known = self.known.get(name)
        if known is None or known[0] != stamp:
            rewrite = (lambda content: self.with_addresses(name, content)) if path.suffix == ".css" else None
            known = self.known[name] = (stamp, self.cache.pack(path, rewrite))
        return known[1]

    def with_addresses(self, name: str, css: bytes) -> bytes:
        """A style sheet whose relative `url(…)` are replaced by fingerprinted addresses."""

        def replace(match: re.Match[str]) -> str:
            target = (PurePosixPath(name).parent / match[1].split("?")[0]).as_posix()
            return f'url("{self.url(target)}")' if self.path(target) else match[0]

        return CSS_URL.sub(replace, css.decode()).encode()

    def url(self, name: str) -> str:
        """The address of the asset `name`, with its fingerprint. Raises KeyError when there is no such asset."""
        packed = self.packed(name)
        if packed is None:
            raise KeyError(f"There is no asset {name}.")
        plain = PurePosixPath(name)
        return f"/assets/{plain.with_suffix('')}.{packed.digest}{plain.suffix}"

    def names(self, pattern: str) -> list[str]:
        """The names of our own files that match `pattern`, such as `*.css`, sorted."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern))

    def all(self) -> list[str]:
        return [n for n in (*self.libraries, *self.names("**/*")) if self.path(n) is not None]


class Suites:
    """The JavaScript that Dash's component packages bring, under the addresses Dash gives it."""

    def __init__(self, cache: Cache, registered: Mapping[str, Iterable[str]]) -> None:
        self.cache, self.registered = cache, registered
        self.known: dict[tuple[str, str], Packed] = {}

    def prepare(self, package: str, path: str) -> None:
        self.known[(package, path)] = self.cache.pack(suite_file(package, path))

    def serve(self, package_name: str, fingerprinted_path: str) -> Response:
        """Answer a file that a component package registered; anything else is not found."""
        path, _ = check_fingerprint(fingerprinted_path)
        if path not in self.registered.get(package_name, ()) or ".." in path:
            raise NotFound
        file = suite_file(package_name, path)
        packed = self.known.get((package_name, path))
        if packed is None:  # rarely asked for and not prepared: as it is, since compressing takes too long here
            kind = TYPES.get(file.suffix, "application/octet-stream")
            stat = file.stat()
            packed = Packed(f"{stat.st_mtime_ns:x}-{stat.st_size:x}", kind, {"": file})
        return answer(packed, forever=fingerprinted_path == suite_fingerprint(package_name, path))


def suite_file(package: str, path: str) -> Path:
    return Path(str(module_of(package).__file__)).parent / path


def suite_fingerprint(package: str, path: str) -> str:
    """The path that Dash links: with the version and the time of the file as it lies here.

    While a release rolls out, an old process is asked for new addresses; only the exact one may be kept for a year.
    """
    part = path.split("/", maxsplit=1)[0]
    owner = sys.modules.get(f"{package}.{part}") if package == "dash" and part in {"dcc", "html"} else None
    version = (owner or module_of(package)).__version__
    return str(build_fingerprint(path, version, int(suite_file(package, path).stat().st_mtime)))


def chunk_addresses(registered: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Where the chunks lie that Dash's loader asks for by their bare names, with the fingerprint it leaves out."""
    chunks = [(name, path) for name, paths in registered.items() for path in paths if CHUNK.search(path)]
    return {f"{SUITES}{name}/{path}": f"{SUITES}{name}/{suite_fingerprint(name, path)}" for name, path in chunks}


def module_of(package: str) -> ModuleType:
    module = sys.modules.get(package)
    if module is None:
        raise NotFound
    return module


def answer(packed: Packed, *, forever: bool) -> Response:
    """The file in the best encoding the browser takes; 304 when it has it already."""
    accepted = request.accept_encodings
    encoding = next((e for e in packed.encodings if e and accepted.quality(e) > 0), "")
    etag = f"{packed.digest}-{encoding}" if encoding else packed.digest
    response = send_file(packed.encodings[encoding], mimetype=packed.type, etag=etag, conditional=True)
    if encoding:
        response.headers["Content-Encoding"] = encoding
    if len(packed.encodings) > 1:
        response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if forever else "no-cache"
    response.headers.pop("Content-Disposition", None)
    return response


def libraries(cache_folder: Path) -> dict[str, Path]:
    """The third-party files we serve among our own: Bootstrap's style sheet and plotly.js."""
    small = cache_folder / SMALL_PLOTLY
    plotly = small if small.is_file() else package_folder("plotly") / "package_data" / "plotly.min.js"
    bootstrap = package_folder("flask_bootstrap") / "static" / "bootstrap5" / "css" / "bootstrap.min.css"
    return {"public/lib/bootstrap.css": bootstrap, "public/lib/plotly.js": plotly}


def package_folder(name: str) -> Path:
    """Where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    return Path(next(iter(spec.submodule_search_locations)))


def rarely_loaded(path: str) -> bool:
    """Files of the component packages that no page of ours loads: not worth compressing at each first start."""
    rare = ("enterprise", "mathjax", "dash_table", "plotly.min")
    return not path.endswith(".js") or any(word in path for word in rare)


def prepare(assets: Assets, suites: Suites) -> None:
    """Compress what pages load, on a few threads (zlib and brotli let go of the lock)."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        jobs = [pool.submit(assets.packed, name) for name in assets.all()]
        for package, paths in suites.registered.items():
            jobs += [pool.submit(suites.prepare, package, path) for path in sorted(paths) if not rarely_loaded(path)]
        for job in jobs:
            job.result()


def register(server: Flask, assets: Assets) -> None:
    """Add `/assets/…` to the server."""

    def asset(name: str) -> Response:
        match = FINGERPRINT.match(name)
        plain = match["stem"] + match["suffix"] if match else name
        packed = assets.packed(plain)
        if packed is None:
            raise NotFound
        return answer(packed, forever=match is not None and match["digest"] == packed.digest)

    def favicon() -> Response:
        packed = assets.packed("public/favicon.svg")
        if packed is None:
            raise NotFound
        return answer(packed, forever=False)

    server.extensions["observatory_assets"] = assets
    server.add_url_rule("/assets/<path:name>", "assets", asset)
    server.add_url_rule("/favicon.ico", "favicon", favicon)
