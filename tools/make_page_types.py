"""The API's document (OpenAPI) -> tests/web/page/api.d.ts, the records that the page's scripts are checked against.

python tools/make_page_types.py          # writes the file
python tools/make_page_types.py --check  # exits 1 where it is not what the API says now
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TYPES = Path(__file__).resolve().parents[1] / "tests" / "web" / "page" / "api.d.ts"
HEAD = "// Made by tools/make_page_types.py from the API's document; remade by `make page-types`.\n\n"
NAMES = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}


def types_text() -> str:
    """-> one TypeScript interface per record of the API, in the namespace Api."""
    from thyrosight.web.app import create_api

    records = create_api(None).openapi()["components"]["schemas"]  # type: ignore[arg-type]
    blocks = [interface_text(name, record) for name, record in sorted(records.items())]
    return HEAD + "declare namespace Api {\n" + "\n".join(blocks) + "}\n"


def interface_text(name: str, record: dict[str, Any]) -> str:
    """JSON schema of a record -> its interface; a field that may be left out has a question mark."""
    required = set(record.get("required", ()))
    lines = [
        f"    {field}{'' if field in required else '?'}: {type_text(schema)};"
        for field, schema in record.get("properties", {}).items()
    ]
    if record.get("additionalProperties") is True:
        lines.append("    [other: string]: unknown;")
    return f"  interface {name} {{\n" + "\n".join(lines) + "\n  }\n"


def type_text(schema: dict[str, Any]) -> str:
    """JSON schema of a value -> its TypeScript type."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(type_text(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"[{', '.join(type_text(one) for one in schema['prefixItems'])}]"
    match schema.get("type"):
        case "array":
            return f"Array<{type_text(schema['items'])}>"
        case "object":
            values = schema.get("additionalProperties", True)
            return f"Record<string, {type_text(values) if isinstance(values, dict) else 'unknown'}>"
        case str(kind):
            return NAMES[kind]
    return "unknown"


def main() -> None:
    text = types_text()
    if "--check" in sys.argv[1:]:
        if TYPES.read_text(encoding="utf-8") != text:
            sys.exit(f"{TYPES.name} is not what the API says now; run: python tools/make_page_types.py")
        return
    TYPES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
