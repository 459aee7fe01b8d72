"""Name of a template in templates/ -> the template: escapes every text, refuses a name that has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(name: str) -> Template:
    """`report.html` or another file of templates/ -> its Template, with the filter `percent`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("thyrosight"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{value:.0%}"
    return environment.get_template(name)
