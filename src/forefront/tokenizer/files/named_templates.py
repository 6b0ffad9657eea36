"""Chat templates of models that have several, by name."""


def joined_template(default: str, tool_use: object) -> str:
    """One template for both: `tool_use` for requests with tools, as in `transformers`, else `default`."""
    if not isinstance(tool_use, str) or not tool_use or not default or tool_use == default:
        return default
    return f"{{% if tools %}}{_inner(tool_use)}{{% else %}}{_inner(default)}{{% endif %}}"


def _inner(template: str) -> str:
    """The template between two blocks: Jinja drops a line break after a block, and one at the end of a template."""
    return ("\n" if template.startswith("\n") else "") + template.removesuffix("\n")
