"""Consoles over REST: B14, B15, the global form B16 and N5's commands (contract §2.1, §2.4)."""

from typing import Any
from zlib import crc32

from observatory.simulator import shell
from observatory.simulator.clock import parse_instant
from observatory.simulator.failure import invalid
from observatory.simulator.outputs import KEPT, Line
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.service import HttpService
from observatory.simulator.validation import console_command, document
from observatory.simulator.wire import Request, Response

DEFAULT = "devkit"


class Prompt:
    """Handlers that a service mounts."""

    def __init__(self, service: HttpService) -> None:
        self.service, self.universe, self.dialect = service, service.universe, service.dialect

    def mount_projects(self, project: str = "*") -> None:
        self.service.route("POST", f"/api/projects/{project}/console/execute", self.execute, "W+P")
        self.service.route("GET", f"/api/projects/{project}/console/output", self.output, "R+P")

    def mount_default(self, path: str) -> None:
        self.service.route("POST", path, self.default, "W")

    def execute(self, request: Request, t: int) -> Response:
        return self.run(self.universe.plan(request.segments[2]), document(request), t)

    def default(self, request: Request, t: int) -> Response:
        """Of the project in the body, else of the default one."""
        body = document(request)
        wanted = body.get("projectId") or DEFAULT
        return self.run(self.universe.plan(str(wanted)), body, t)

    def run(self, plan: ProjectPlan, body: dict[str, Any], t: int) -> Response:
        command = console_command(body)
        cwd = next((body[key] for key in ("cwd", "workingDirectory", "projectPath") if body.get(key)), "")
        said = shell.run(command, self.service.world, plan, t, cwd=cwd)
        stream = "stderr" if said.exit_code else "stdout"
        self.universe.outputs.add(plan.id, Line(t, stream, said.output))
        self.universe.tell(plan.id, "console_output", {"output": said.output, "stream": stream, "command": command})
        whole = {
            "success": said.exit_code == 0,
            "status": "success" if said.exit_code == 0 else "error",
            "projectId": plan.id,
            "command": command,
            "output": said.output,
            "exitCode": said.exit_code,
            "duration": 20 + crc32(command.encode(errors="replace")) % 400,
            "timestamp": self.dialect.stamp(t),
            "isRealData": True,
            "source": "bridge",
        }
        telling = {"status": "status", "success": "success", "exit-code": "exitCode"}.get(self.dialect.console_result)
        silent = {"status", "success", "exitCode"} - {telling} if telling else set()
        return self.service.json({key: value for key, value in whole.items() if key not in silent})

    def output(self, request: Request, t: int) -> Response:
        """The lines after `since`, the newest `limit` of them, oldest first."""
        plan = self.universe.plan(request.segments[2])
        try:
            since = parse_instant(request.query["since"]) if "since" in request.query else 0
            limit = int(request.query.get("limit", 100))
        except ValueError:
            raise invalid(since="must be a time", limit="must be a whole number") from None
        if not 1 <= limit <= KEPT:
            raise invalid(limit=f"must be from 1 to {KEPT}")
        lines = self.universe.outputs.of(plan.id, since=since, limit=limit)
        entries = [{"timestamp": self.dialect.stamp(at), "stream": stream, "text": text} for at, stream, text in lines]
        return self.service.json({"projectId": plan.id, "entries": entries})
