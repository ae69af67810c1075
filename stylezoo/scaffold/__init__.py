"""``stylezoo new``: a small, complete, installable project to start a plugin from.

The templates are themselves such projects, for a plugin called ``new-name``: real code is copied,
and only the name changes.
"""

from stylezoo.scaffold.project import KINDS, Project, write_project

__all__ = ["KINDS", "Project", "write_project"]
