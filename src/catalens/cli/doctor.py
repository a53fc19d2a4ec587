"""`catalens doctor`: what is installed, what works, and what makes it slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.options import Json, settings

if TYPE_CHECKING:
    from catalens.pipelines.doctor import Diagnosis

_STYLES = {"error": "red", "warning": "yellow", "slow": "cyan"}


@command("catalens doctor", "catalens doctor --load", "catalens doctor --json > report.json")
def doctor(
    load: Annotated[
        bool, Option("--load", help="Import torch and other large libraries too, and list their devices.")
    ] = False,
    json: Json = False,
) -> None:
    """Check the installation: versions, processor, accelerators, extras, caches and the bundled models' checksums.

    Reports what is broken, what the extras lack and what makes this machine slow, each with its cure. The exit code is
    3 if the bundled models cannot run. Attach the output of --json to a bug report.
    """
    from catalens.pipelines.doctor import diagnose

    found = diagnose(settings().cache, heavy=load)
    if output.wants_json(json):
        output.emit(found.to_dict())
    else:
        _show(found)
        for each in found.findings:
            output.say(f"{each.level}: {each.about}; {each.cure}", style=_STYLES[each.level])
        if not found.findings:
            output.say("no problems found", style="green")
    if not found.works:
        raise typer.Exit(3)


def _show(found: Diagnosis) -> None:
    output.show_rows(_facts(found), "", "")
    rows = [(each.name, each.version or each.error, _devices(each.facts)) for each in found.libraries]
    output.show_rows(rows, "library", "version", "devices")
    extras = [(each.name or "(base)", each.purpose, ", ".join(each.missing) or "complete") for each in found.extras]
    output.show_rows(extras, "extra", "for", "missing")
    bundles = [
        (each.name, f"{each.size_mb:,.1f}", "; ".join(each.wrong) or f"{each.files} files as they should be")
        for each in found.bundles
    ]
    output.show_rows(bundles, "bundled model", "MB#", "checksums")
    caches = [(each.name, each.folder, f"{each.size_mb:,.1f}", each.problem or "yes") for each in found.caches]
    output.show_rows(caches, "cache", "folder", "MB#", "writable")
    if found.runtimes:
        times = [(each.graph, each.fastest, _milliseconds(each.ms)) for each in found.runtimes]
        output.show_rows(times, "graph", "faster runtime here", "ms of one run")


def _facts(found: Diagnosis) -> Iterator[tuple[str, str]]:
    machine = found.machine
    yield "catalens", found.version
    yield "python", machine.python
    yield "system", machine.system
    yield "processor", machine.processor
    yield "cores", f"{machine.usable_cores} usable of {machine.cores}"
    yield "memory", f"{machine.memory_mb / 1e3:.1f} GB" if machine.memory_mb else "unknown"
    instructions = machine.instructions
    yield "instructions", "not listed by this system" if instructions is None else " ".join(instructions)
    yield "accelerators", ", ".join(machine.accelerators) or "none found"


def _devices(facts: object) -> str:
    known = facts if isinstance(facts, dict) else {}
    return ", ".join(str(each) for each in known.get("devices") or known.get("providers") or ())


def _milliseconds(ms: object) -> str:
    return ", ".join(f"{name} {each:.1f}" for name, each in ms.items()) if isinstance(ms, dict) else ""
