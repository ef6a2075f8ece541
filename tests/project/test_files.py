"""Every file keeps the house rules: UTF-8 in NFC, and a sensible length.

Here belong rules over all files, whatever is in them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from .documents import ROOT

#: Made by tools, or not ours: left out wherever they lie.
PRUNED = {
    ".git", ".venv", ".uv", ".kho", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis",
    ".import_linter_cache", "target", "logs", "build", "dist", "node_modules",
}  # fmt: skip
BINARY = {".png", ".jpg", ".xlsx", ".ico", ".woff2"}
#: Made by tools but committed: the rules of style are not for them.
GENERATED = {"uv.lock"}
LONGEST = 400
#: Longer than LONGEST, with the length they have and the reason. Nothing may be added here, and no number may grow.
LONGER = {
    "assets/agencies/social_insurance/visit.yaml": (
        700,
        "XML1 of Decision 130 has 66 columns, and one contract is one file",
    ),
    "tests/simulator/test_simulator.py": (500, "one box a session, which several files would each start again"),
}


def files() -> Iterator[Path]:
    """Every file of the project that is text."""
    for folder, names, found in os.walk(ROOT):
        names[:] = sorted(name for name in names if name not in PRUNED and not name.endswith(".egg-info"))
        yield from (Path(folder) / name for name in sorted(found) if Path(name).suffix.lower() not in BINARY)


def test_every_text_is_utf8_in_nfc() -> None:
    wrong = []
    for path in files():
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            wrong.append(f"{path.relative_to(ROOT)}: not UTF-8: save it as UTF-8, or add its suffix to BINARY")
            continue
        if not unicodedata.is_normalized("NFC", text):
            lines = [n for n, line in enumerate(text.splitlines(), 1) if not unicodedata.is_normalized("NFC", line)]
            wrong.append(
                f"{path.relative_to(ROOT)}: lines {lines[:5]} are not NFC: normalise them (escapes stay escapes)"
            )
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_code_is_a_package() -> None:
    """Without its `__init__.py` a folder can be imported, but lint-imports does not see it, nor does a reader its purpose."""
    folders = {
        path.parent
        for package in ("orchestration", "expectations", "simulator")
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts  # Alembic loads them by their path
    }
    wrong = sorted(
        f"{folder.relative_to(ROOT)}: no __init__.py" for folder in folders if not (folder / "__init__.py").exists()
    )
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    wrong = []
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_bytes().count(b"\n")
        for path in files()
        if path.suffix in (".py", ".sql", ".yaml", ".yml") and path.name not in GENERATED
    }
    for name, length in lengths.items():
        allowed, _ = LONGER.get(name, (LONGEST, ""))
        if length > allowed:
            wrong.append(f"{name}: {length} lines, at most {allowed}: divide it by what it owns")
    for name in LONGER:
        if lengths.get(name, 0) <= LONGEST:
            wrong.append(f"{name}: no longer longer than {LONGEST}: take it off the list")
    assert not wrong, "\n".join(wrong)
