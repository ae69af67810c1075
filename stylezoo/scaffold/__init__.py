"""``stylezoo new``: a small, complete, installable project to start a plugin from.

The templates are such projects themselves, of a plugin called ``new-name``: what is copied is real
code, and only its name changes.
"""

from stylezoo.scaffold.project import KINDS, Project, write_project

__all__ = ["KINDS", "Project", "write_project"]
