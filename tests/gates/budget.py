"""The budgets: every number that may not grow, in budgets.json, with its reason."""

from __future__ import annotations

import json
from typing import Callable, List

from gate import Project

FILE = "tests/gates/budgets.json"


def over(project: Project, name: str, measured: int, what: str) -> List[str]:
    """A violation when the measure exceeds its budget; nothing otherwise."""
    budget = json.loads((project.root / FILE).read_text(encoding="utf-8"))[name]
    if measured <= int(budget["max"]):
        return []
    return [f"{what}: {measured}, the budget is {budget['max']} ({budget['why']}): make it smaller, "
            f"or give a better reason in {FILE}"]


def shrink(name: str, to: int) -> Callable[[Project], None]:
    """A plant's act: the budget is now `to`."""
    def act(project: Project) -> None:
        path = project.root / FILE
        budgets = json.loads(path.read_text(encoding="utf-8"))
        budgets[name]["max"] = to
        path.write_text(json.dumps(budgets), encoding="utf-8")
    return act
