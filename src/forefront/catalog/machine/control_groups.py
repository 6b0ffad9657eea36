"""The files of this process's control groups, which hold the limits of its container or service."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CGROUP: Final = Path("/sys/fs/cgroup")
_OWN_GROUPS: Final = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """`root`: the mounted file system. `own`: the list of this process's groups. A group of version 2 has the line
    `0::PATH`, one of version 1 `NUMBER:CONTROLLERS:PATH`."""

    root: Path = _CGROUP
    own: Path = _OWN_GROUPS

    def files(self, controller: str, name: str, old_name: str) -> Iterator[Path]:
        """The file `name` (version 2) or `old_name` (version 1) of each group, from the process's own up to the root,
        which is the container's. Files may be missing."""
        old_root = self.root / controller
        yield self.root / name
        yield old_root / old_name
        try:
            lines = self.own.read_text().splitlines()
        except OSError:
            return
        for line in lines:
            number, controllers, path = (*line.split(":", 2), "", "")[:3]
            if ".." in path.split("/"):  # outside the container's groups
                continue
            if number == "0" and not controllers:
                root, file = self.root, name
            elif controller in controllers.split(","):
                root, file = old_root, old_name
            else:
                continue
            group = root / path.lstrip("/")
            while group != root and root in group.parents:
                yield group / file
                group = group.parent
