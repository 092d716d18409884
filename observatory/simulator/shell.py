"""A shell that is none: it knows a handful of words and executes nothing (contract §2.1 B14, §7.3, §7.4)."""

from typing import NamedTuple

from observatory.simulator.clock import iso
from observatory.simulator.roster import ProjectPlan
from observatory.simulator.world import World

HELP = "Commands: help, status, agents, clear, git …\n"
GIT = {
    "status": "On branch main\nnothing to commit, working tree clean\n",
    "branch": "* main\n",
    "log": "3f2c1ab Tighten the selvedge\n9d04e77 Count threads once\n",
}
BLOCKED = {
    "rm", "rmdir", "del", "format", "fdisk", "dd", "mkfs", "shutdown", "reboot", "poweroff", "kill", "pkill", "killall",
}  # fmt: skip


class Said(NamedTuple):
    output: str
    exit_code: int = 0


def run(command: str, world: World, plan: ProjectPlan, t: int, *, cwd: str = "") -> Said:
    """What a project's console answers to a command."""
    words = command.split() or [""]
    match words[0]:
        case "help":
            return Said(HELP)
        case "clear":
            return Said("")
        case "status":
            return Said(f"{plan.name}: {running(world, plan, t)} of {len(plan.agents)} agents running\n")
        case "agents":
            return Said("".join(f"{agent.id}\t{agent.status}\n" for agent in world.agents(plan, t)))
        case "git":
            return Said(GIT.get(words[1] if len(words) > 1 else "", "usage: git status | branch | log\n"))
        case "pwd":
            return Said(f"{cwd or plan.config['path']}\n")
        case "date":
            return Said(f"{iso(t)}\n")
        case "echo":
            return Said(" ".join(words[1:]) + "\n")
    return Said(f"{words[0]}: command not found\n", 127)


def running(world: World, plan: ProjectPlan, t: int) -> int:
    return sum(world.status(plan.id, agent.id, t) == "running" for agent in plan.agents)


def is_blocked(command: str) -> bool:
    """Whether no security level below permissive lets it through."""
    words = command.split()
    return bool(words) and words[0] in BLOCKED
