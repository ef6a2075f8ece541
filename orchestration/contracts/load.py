"""Finding the contracts and loading them, for the night.

Purpose: from the assets folder to Contract objects, strictly and fast. Belongs here: where contracts live, and the
rules between files. Stays out: the ODCS model (`check`), which costs seconds to import and adds nothing at night.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestration.contracts.code_lists import known_lists
from orchestration.contracts.document import Place, read
from orchestration.contracts.model import Contract, ContractErrors, Problem
from orchestration.contracts.parse import Parsed, parse, parse_file
from orchestration.settings import assets_root

DEFS = "defs.yaml"
GROUPS = ("agencies", "national")


def load(path: Path) -> Contract:
    """One contract. ContractErrors with all its problems; OSError if the file cannot be opened."""
    return _contracts([parse_file(Path(path))])[0]


def load_folder(folder: Path) -> list[Contract]:
    """The contracts of one agency or national system, by id. ContractErrors with all problems."""
    return _contracts(_parse_folder(Path(folder), Path(folder)))


def load_all(root: Path | None = None) -> list[Contract]:
    """Every contract below `root` (default: assets_root()), by id. ContractErrors with all problems of all files."""
    return _contracts(parse_all(root or assets_root()))


def parse_all(root: Path) -> list[Parsed]:
    """Every contract file of `agencies/*/` and `national/*/`, read, in the order of their paths."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no assets folder at {root}")
    folders = sorted(
        folder for group in ("agencies", "national") for folder in (root / group).glob("*") if folder.is_dir()
    )
    return [parsed for folder in folders for parsed in _parse_folder(folder, root.parent)]


def _parse_folder(folder: Path, base: Path) -> list[Parsed]:
    """Below `national/` other declarations (what is owed) lie beside contracts: a contract says what kind it is."""
    result = []
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.name != DEFS):
        parsed = _parsed(path, str(path.relative_to(base)), folder.parent.name == "national", path.read_bytes())
        if parsed is not None:
            result.append(parsed)
    return result


@lru_cache(maxsize=1024)
def _parsed(path: Path, label: str, among_others: bool, content: bytes) -> Parsed | None:
    """A contract, None for another declaration. Remembered: the same bytes at the same place are the same contract, and reading all of
    them again takes most of a second.
    """
    document = read(path, label, content)
    return parse(document) if not among_others or is_contract(document.value) else None


def is_contract(value: Any) -> bool:
    """Whether a document of `national/` is a contract; one that is no mapping at all is judged as one."""
    return not isinstance(value, dict) or "apiVersion" in value or value.get("kind") == "DataContract"


def between_files(files: Iterable[Parsed]) -> list[Problem]:
    """What one file cannot break alone: an id given twice, an element owned twice, an agency described in two ways."""
    files = list(files)
    problems: list[Problem] = list(_looked_up(files))
    ids: dict[str, Parsed] = {}
    owners: dict[str, tuple[Parsed, int]] = {}
    agencies: dict[str, Contract] = {}
    for parsed in files:
        label = parsed.document.label
        if parsed.id:
            known = ids.setdefault(parsed.id, parsed)
            if known is not parsed:
                first = f"{known.document.label}:{known.document.line(('id',))}"
                vi = f"mã {parsed.id} đã dùng ở {first}"
                en = f"id {parsed.id} is already used at {first}"
                problems.append(Problem(label, parsed.document.line(("id",)), "id", vi, en))
        for element, line in parsed.claims:
            owner, owner_line = owners.setdefault(element, (parsed, line))
            if owner is not parsed:
                first, second = f"{owner.document.label}:{owner_line}", f"{label}:{line}"
                vi = f"{element} đã có nguồn có thẩm quyền ở {first}, không nhận thêm {second}"
                en = f"{element} already has its authoritative source at {first}, refused at {second}"
                problems.append(Problem(label, line, "customProperties[kho.authoritativeFor]", vi, en))
        contract = parsed.contract
        if contract is not None:
            other = agencies.setdefault(contract.agency, contract)
            if (other.agency_name, other.agency_code) != (contract.agency_name, contract.agency_code):
                vi = f"tên hoặc mã cơ quan khác với {other.path.name}"
                en = f"agency name or code differs from {other.path.name}"
                line = parsed.document.line(("customProperties",))
                problems.append(Problem(label, line, "customProperties[kho.agencyCode]", vi, en))
    return problems


def _looked_up(files: Sequence[Parsed]) -> Iterable[Problem]:
    """Code lists that nobody declared, references to columns that cannot be looked up."""
    known = known_lists()
    by_id = {parsed.id: parsed for parsed in files if parsed.contract is not None}
    for parsed in files:
        for index, column in enumerate(parsed.contract.columns if parsed.contract is not None else ()):
            place: Place = ("schema", 0, "properties", index, "customProperties")
            where = (parsed.document.label, parsed.document.line(place))
            if column.code_list is not None and column.code_list not in known:
                vi = f"không có danh mục {column.code_list} trong assets/code_lists; có {', '.join(sorted(known))}"
                yield Problem(*where, "kho.codeList", vi, f"there is no list {column.code_list} in assets/code_lists")
            if column.references is not None and (why := _dangling(column.references, parsed.id, by_id)):
                yield Problem(*where, "kho.references", *why)


def _dangling(reference: str, own: str, by_id: Mapping[str, Parsed]) -> tuple[str, str] | None:
    """Why a reference can never be looked up. One to a contract that is not among the files is left to the whole tree's check."""
    dataset, _, name = reference.rpartition(".")
    if dataset == own:
        return "không tham chiếu chính bộ dữ liệu này", "a dataset does not refer to itself"
    if dataset not in by_id:
        return None
    contract = by_id[dataset].contract
    if contract is None or not contract.key or contract.key[0] != name:
        return f"{name} không phải cột khóa đầu tiên của {dataset}", f"{name} is not the first key column of {dataset}"
    return None


def _contracts(files: Sequence[Parsed]) -> list[Contract]:
    problems = [problem for parsed in files for problem in parsed.problems] + between_files(files)
    if problems:
        raise ContractErrors(tuple(sorted(set(problems))))
    return sorted((parsed.contract for parsed in files if parsed.contract is not None), key=lambda c: c.id)
