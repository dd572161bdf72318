"""Reading plans and states of Terraform."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a plan or a state."""

    address: str
    kind: str
    values: Mapping[str, Any]


def resources(shown: Mapping[str, Any]) -> Iterator[Resource]:
    """Yield every resource in the output of ``terraform show -json``. Empty before the first apply."""
    modules = [(shown.get("planned_values") or shown.get("values") or {"root_module": {}})["root_module"]]
    while modules:
        module = modules.pop()
        modules.extend(module.get("child_modules", ()))
        for item in module.get("resources", ()):
            yield Resource(item["address"], item["type"], item.get("values", {}))
