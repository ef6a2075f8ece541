"""What the documentation says, as data: commands, links, example files, variables; and the same facts from the code.

Purpose: two statements of one fact can be compared. Belongs here: reading Markdown, the Makefile, click's command tree
and the variables that the code reads. Stays out: what has to agree with what (`test_documents`).
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from orchestration.settings import REPOSITORY as ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_MAKE_VARIABLE = re.compile(r"^(?:export )?([A-Z_]+) \?=|\$\(([A-Z]+)\)", re.MULTILINE)
_MAKE_OWN = {"MAKEFILE_LIST", "RUN", "UV", "SHELL"}


def pages() -> list[Path]:
    """Every Markdown file of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "simulator").rglob("*.md")])


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """(line, text) of the code blocks of a language."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start()) + 2, found[2]


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(place, words) of each command in a bash block or between backticks; without variables set in front of it."""
    for line, block in blocks(page, "bash"):
        for offset, command in enumerate(block.splitlines()):
            yield from _words(f"{page.relative_to(ROOT)}:{line + offset}", command)
    for number, line_text in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        for code in re.findall(r"`((?:make|kho) [^`]+)`", line_text):
            yield from _words(f"{page.relative_to(ROOT)}:{number}", code)


def _words(place: str, command: str) -> Iterator[tuple[str, list[str]]]:
    words = shlex.split(command, comments=True)
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if words:
        yield place, [words[0].removeprefix(".venv/bin/"), *words[1:]]


def example_files(*names: str) -> dict[str, str]:
    """Path -> text of the example files of pages: the blocks whose first line is a comment with a path."""
    files = {}
    for name in names:
        for language, comment in (("yaml", "# "), ("sql", "-- ")):
            for _, block in blocks(ROOT / name, language):
                first, _, rest = block.partition("\n")
                if first.startswith(comment) and "/" in first:
                    files[first.removeprefix(comment).strip()] = rest
    return files


def make_targets() -> dict[str, str]:
    """Target -> its explanation in `make help`; empty when it has none."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY:(.*)$", text, re.MULTILINE)
    assert phony is not None
    # The very expression of the target `help`.
    explained = dict(re.findall(r"^([a-z]+):.*## (.*)$", text, re.MULTILINE))
    return {target: explained.get(target, "") for target in sorted({*phony[1].split(), *explained})}


def kho_problem(words: list[str]) -> str:
    """What is wrong with a `kho …` command, by click's command tree; empty when nothing is."""
    from orchestration.cli import kho

    return _problem(kho, words)


def simulator_problem(words: list[str]) -> str:
    """The same for a command of the simulator: `words` begins with how it is called."""
    from simulator.__main__ import main

    return _problem(main, words)


def _problem(command: click.Command, words: list[str]) -> str:
    context = click.Context(command, info_name=words[0])
    path, rest = words[:1], words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            return f"{' '.join(path)} has no command {rest[0]}"
        command, path, rest = found, [*path, rest[0]], rest[1:]
        context = click.Context(command, parent=context, info_name=path[-1])
    if command.context_settings.get("ignore_unknown_options"):  # psql, dbt, simulate: the rest is theirs
        return simulator_problem([" ".join(path), *rest]) if path[-1] == "simulate" else ""
    if isinstance(command, click.Group) and not command.invoke_without_command and "--help" not in rest:
        return f"{' '.join(path)} needs a command"
    known = {
        option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{' '.join(path)} has no option {', '.join(unknown)}" if unknown else ""


def variables_documented() -> set[str]:
    """Variables in the first column of the tables of docs/configuration.md."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", text, re.MULTILINE))


def variables_of_contracts() -> dict[str, str]:
    """Variable -> a contract that names it."""
    found = {}
    for path in sorted(ROOT.glob("assets/**/*.yaml")):
        for name in re.findall(r"\$\{([A-Z_]+)\}", path.read_text(encoding="utf-8")):
            found[name] = str(path.relative_to(ROOT))
    return found


@cache
def variables_read() -> dict[str, str]:
    """Variable -> a file that reads it: code, dbt profile, Makefile."""
    found: dict[str, str] = {}
    for folder in ("orchestration", "expectations", "simulator", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            names = {*_from_python(ast.parse(text)), *re.findall(r"^\s+env: ([A-Z_]+)$", text, re.MULTILINE)}
            found |= dict.fromkeys(names, str(path.relative_to(ROOT)))
    for pattern, expression in (
        ("dbt_project/*.yml", r"env_var\('([A-Z_]+)'"),
        ("dbt_project/models/**/*.sql", r"env_var\('([A-Z_]+)'"),
    ):
        for path in sorted(ROOT.glob(pattern)):
            for name in re.findall(expression, path.read_text(encoding="utf-8")):
                found[name] = str(path.relative_to(ROOT))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for either in _MAKE_VARIABLE.findall(makefile):
        found |= {name: "Makefile" for name in either if name and name not in _MAKE_OWN}
    return found


def _from_python(tree: ast.Module) -> Iterator[str]:
    """Names that are read from os.environ; `KHO_PASSWORD_{role}` stands for one variable a role."""
    for node in ast.walk(tree):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_environ(node.value) and isinstance(node.ctx, ast.Load):
            key = node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_environ(node.func.value):
            key = node.args[0] if node.func.attr in ("get", "setdefault") and node.args else None
        elif isinstance(node, ast.Compare) and any(_is_environ(side) for side in node.comparators):
            key = node.left
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value
        elif isinstance(key, ast.JoinedStr):
            yield from _of_each_role(key)


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _of_each_role(name: ast.JoinedStr) -> Iterator[str]:
    from orchestration.warehouse.connections import ROLES

    prefix = name.values[0]
    assert isinstance(prefix, ast.Constant), "a variable's name begins with a constant"
    for role in ROLES:
        if role != "admin":  # the administrator's password stands in WAREHOUSE_URL
            yield f"{prefix.value}{role.upper()}"
