"""Projects: B5, B6, B7 and the scan B8, which H4 has too (contract §2.1, §2.3)."""

from typing import Any

from observatory.simulator.failure import Failure
from observatory.simulator.noise import draw
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import HttpService
from observatory.simulator.validation import document, path, project_fields
from observatory.simulator.wire import Request, Response
from observatory.simulator.words import is_project_id, project_body

# What lies in every folder that is scanned: name, type, is in git, has package.json, has an MCP server, description.
FOUND: tuple[tuple[str, str, bool, bool, bool, str], ...] = (
    ("kiln", "python", True, False, False, "Firing scheduler"),
    ("loom", "npm", True, True, True, "Pattern compiler"),
    ("scopecam", "monorepo", True, True, True, "Camera control and test bench"),
    ("dye-vat", "npm", True, True, False, "Colour recipes"),
    ("ledger", "git", True, False, False, "Order book"),
    ("scratch", "unknown", False, False, False, "Notes and trials"),
)
MEMORY, MEMORY_LIMIT = (120, 300), 1024  # megabytes of a project that was just made


class Projects:
    """Handlers that a service mounts."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.universe = service, service.universe
        self.world, self.dialect = service.world, service.dialect
        service.route("GET", "/api/projects", self.projects, "R")
        service.route("POST", "/api/projects/scan", self.scan, "W")

    def mount_single(self) -> None:
        self.service.route("GET", "/api/projects/*", self.project, "R+P")
        self.service.route("POST", "/api/projects", self.create, "A")

    def projects(self, _request: Request, t: int) -> Response:
        projects = [project_body(plan, self.dialect) for plan in list(self.world.projects.values())]
        return self.service.json({"projects": projects, "timestamp": self.dialect.stamp(t)})

    def project(self, request: Request, _t: int) -> Response:
        plan = self.universe.plan(request.segments[2])
        return self.service.json(self.dialect.wrapped("project", {"project": project_body(plan, self.dialect)}))

    def create(self, request: Request, t: int) -> Response:
        fields = project_fields(document(request))
        plan = self.added(fields)
        stamp = self.dialect.stamp(t)
        made = {"type": "unknown", "status": "active", "createdAt": stamp, "updatedAt": stamp}
        return self.service.json({"project": {**project_body(plan, self.dialect), **made}}, status=201)

    def added(self, fields: dict[str, str]) -> ProjectPlan:
        """A project without agents. Its id is made of its name, or drawn when that is taken or too short."""
        id = "-".join(fields["name"].lower().replace("_", " ").replace("-", " ").split())
        if not is_project_id(id) or self.world.project(id) is not None:
            id = drawn(self.world.seed, len(self.world.projects))
        config: dict[str, Any] = {key: value for key, value in fields.items() if key != "name"}
        config |= {"dashboards": {}, "telemetryMap": {}, "hasSubmoduleMCP": False}
        plan = ProjectPlan(
            id, fields["name"], config, (), tests_per_hour=1, memory=MEMORY, memory_limit=MEMORY_LIMIT
        )  # fmt: skip
        self.world.add_project(plan)
        return plan

    def scan(self, request: Request, _t: int) -> Response:
        body = document(request)
        if not body.get("path"):
            raise Failure(400, "Project path is required")
        here = path(body["path"])
        projects = [found(here, *entry) for entry in self.dialect.some(list(FOUND))]
        return self.service.json({"projects": projects, "scannedPath": here, "isRealData": True, "source": "bridge"})


def found(
    folder: str, name: str, type: str, in_git: bool, packaged: bool, mcp: bool, description: str
) -> dict[str, Any]:
    return {
        "name": name, "path": f"{folder.rstrip('/')}/{name}", "type": type, "hasGit": in_git,
        "hasPackageJson": packaged, "hasMCP": mcp, "description": description,
    }  # fmt: skip


def drawn(seed: int, number: int) -> str:
    """A UUID of version 4 that belongs to the seed."""
    digits = f"{draw(seed, 'project', number).getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
