"""The documentation says what is so: commands and files exist, variables are the ones that the code reads.

Here belong facts that stand in two places. Whether a page is well written is for its readers.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .documents import (
    ROOT,
    commands,
    kho_problem,
    make_targets,
    pages,
    simulator_problem,
    variables_documented,
    variables_of_contracts,
    variables_read,
)

#: Read by libraries on our behalf; nothing for a person to set.
NOT_OURS = {"DAGSTER_DISABLE_TELEMETRY", "DO_NOT_TRACK"}


def problem(words: list[str]) -> str:
    """What is wrong with a documented command; empty when nothing is."""
    if words[0] == "kho":
        return kho_problem(words)
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        unknown = [target for target in targets if target not in make_targets()]
        return f"make has no target {', '.join(unknown)}" if unknown else ""
    if words[0] == "pytest":
        gone = [word for word in words[1:] if not word.startswith("-") and not (ROOT / word).exists()]
        return f"{', '.join(gone)} does not exist" if gone else ""
    if words[:3] == ["python", "-m", "simulator"]:
        return simulator_problem([" ".join(words[:3]), *words[3:]])
    if words[0] in ("dg", "export", "."):
        return ""
    return f"{words[0]}: unknown here: extend this test, or take it out of the page"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    wrong = [f"{place}: {said}" for place, words in commands(page) if (said := problem(words))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kho nights", "no command nights"),
        ("kho release undo", "no command undo"),
        ("kho release", "needs a command"),
        ("kho night --dates 1", "no option --dates"),
        ("kho simulate truths", "no command truths"),
        ("kho simulate --days 2", "no option --days"),
        ("python -m simulator national dvcqg --house x", "no option --house"),
        ("make tests", "no target tests"),
        ("pytest tests/no_such", "does not exist"),
        ("curl x", "unknown here"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, said: str) -> None:
    assert said in problem(command.split())


def test_the_readme_gives_the_commands_a_newcomer_needs() -> None:
    given = {" ".join(words) for _, words in commands(ROOT / "README.md")}
    assert {"make demo", "make test", "make up", "make check", "kho init", "kho night"} <= given


@pytest.mark.parametrize("directory", ["orchestration", "simulator", "expectations"])
def test_commands_in_messages_exist(directory: str) -> None:
    """What a message of the code tells a person to type."""
    wrong = []
    for path in sorted((ROOT / directory).rglob("*.py")):
        for code in re.findall(r"`(kho [a-z][^`{]*)", path.read_text(encoding="utf-8")):
            words = re.sub(r"[<\"'|…].*", "", code).split()
            if said := ("" if words == ["kho"] else kho_problem([*words, "--help"])):
                wrong.append(f"{path.relative_to(ROOT)}: `{code}`: {said}")
    assert not wrong, "\n".join(wrong)


def test_every_make_target_is_explained() -> None:
    silent = [target for target, explanation in make_targets().items() if not explanation]
    assert not silent, f"Makefile: write `## …` behind {', '.join(silent)}: `make help` leaves them out"
    listed = set(re.findall(r"^\| `make ([a-z]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(make_targets()), "README.md: its table of targets and the Makefile differ"


def test_what_make_runs_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for module in re.findall(r"python -m ([a-z.]+)", makefile):
        place = ROOT / module.replace(".", "/")
        if module.split(".")[0] not in ("pip", "venv"):
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), f"Makefile runs {module}"
    for words in re.findall(r"\$\(RUN\) (kho [a-z ]+)", makefile):
        assert not kho_problem(words.split()), words


def test_every_variable_that_is_read_is_documented() -> None:
    """Those of contracts need not be: a new agency must not have to edit this page."""
    missing = {name: file for name, file in variables_read().items() if name not in variables_documented() | NOT_OURS}
    assert not missing, f"docs/configuration.md: describe {missing}"


def test_every_documented_variable_is_read() -> None:
    gone = variables_documented() - variables_read().keys() - variables_of_contracts().keys()
    assert not gone, f"docs/configuration.md: nothing reads {', '.join(sorted(gone))}: take them out"


def test_links_lead_somewhere() -> None:
    broken = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            path = (page.parent / target).resolve() if target else page
            if not path.exists():
                broken.append(f"{page.relative_to(ROOT)}: {link}: there is no such file")
            elif anchor and anchor not in _anchors(path):
                broken.append(f"{page.relative_to(ROOT)}: {link}: there is no such heading")
    assert not broken, "\n".join(broken)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
