"""What may be in a dataset, a resource or an organization of a CKAN portal, and what the portal says when it may not.

Belongs here: rules of names, tags and fields, the shapes in which things are told, texts of refusals, licences.
Stays out: actions, who may do what (`open_data_actions`), searching (`open_data_search`).

Names of fields, rules and the nesting of errors are those of CKAN 2.10; the texts are Vietnamese, as on a portal whose
language that is: a client goes by `__type` and by the names of the fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MESSAGES = {
    "missing": "Thiếu giá trị",
    "unexpected": "Trường %s không được phép có",
    "name_used": "Đường dẫn này đã được sử dụng",
    "group_used": "Tên nhóm đã tồn tại trong cơ sở dữ liệu",
    "name_string": "Tên phải là chuỗi ký tự",
    "name_reserved": "Không được dùng tên này",
    "name_short": "Phải có ít nhất 2 ký tự",
    "name_long": "Tên không được quá 100 ký tự",
    "name_signs": "Chỉ gồm chữ thường không dấu, chữ số (ascii) và các ký tự: -_",
    "version_long": "Phiên bản không được quá 100 ký tự",
    "email": "Địa chỉ thư điện tử %s không đúng dạng",
    "tag_short": "Thẻ \"%s\" ngắn hơn 2 ký tự",
    "tag_long": "Thẻ \"%s\" dài hơn 100 ký tự",
    "tag_signs": "Thẻ \"%s\" chỉ được gồm chữ, số, dấu cách hoặc các ký tự: -_.",
    "extra_twice": "Khóa \"%s\" bị lặp",
    "integer": "Số nguyên không hợp lệ",
    "natural": "Phải là số tự nhiên",
    "list": "Phải là danh sách",
    "dict": "Chỉ được là danh sách các đối tượng",
    "date": "Sai định dạng ngày",
    "licence": "Giấy phép không có trong danh mục",
    "too_large": "Tệp tải lên quá lớn",
    "denied": "Từ chối truy cập",
    "needs_user": "Hành động %s cần người dùng đã xác thực",
    "not_member": "Người dùng %s không được thêm bộ dữ liệu vào tổ chức này",
    "no_member": "Người dùng %s không được tạo bộ dữ liệu",
    "not_editor": "Người dùng %s không được sửa %s",
    "not_reader": "Người dùng %s không được đọc %s",
    "not_found": "Không tìm thấy",
    "search": "Tham số tìm kiếm không hợp lệ: %s",
    "query": "Câu tìm kiếm không hợp lệ: %s",
    "bad_request": "Yêu cầu không hợp lệ",
    "action": "Không có hành động: %s",
    "post": "Lỗi JSON: hãy dùng phương thức POST cho yêu cầu này",
    "json": "Lỗi JSON: không đọc được dữ liệu gửi lên",
    "object": "Dữ liệu gửi lên phải là một đối tượng JSON",
    "99": "Lỗi hệ thống, vui lòng thử lại sau",
}  # fmt: skip
Errors = dict[str, Any]
Thing = dict[str, Any]
#: id -> title, address, open.
LICENCES = {
    "notspecified": ("License not specified", "", False),
    "cc-by": ("Creative Commons Attribution", "http://www.opendefinition.org/licenses/cc-by", True),
    "cc-by-4.0": ("Creative Commons Attribution 4.0", "https://creativecommons.org/licenses/by/4.0/", True),
    "cc-by-sa": ("Creative Commons Attribution Share-Alike", "http://www.opendefinition.org/licenses/cc-by-sa", True),
    "cc-zero": ("Creative Commons CCZero", "http://www.opendefinition.org/licenses/cc-zero", True),
    "odc-by": ("Open Data Commons Attribution License", "http://www.opendefinition.org/licenses/odc-by", True),
    "odc-odbl": ("Open Data Commons Open Database License (ODbL)", "http://www.opendefinition.org/licenses/odc-odbl", True),
    "odc-pddl": ("Open Data Commons Public Domain Dedication and License (PDDL)", "http://www.opendefinition.org/licenses/odc-pddl", True),
    "other-open": ("Other (Open)", "", True),
    "other-closed": ("Other (Not Open)", "", False),
}  # fmt: skip
RESERVED = ("new", "edit", "search")
PLAIN = ("author", "author_email", "maintainer", "maintainer_email", "license_id", "notes", "url", "version")
RESOURCE = (
    "cache_last_updated", "cache_url", "created", "description", "format", "hash", "last_modified", "metadata_modified",
    "mimetype", "mimetype_inner", "name", "resource_type", "size", "url_type",
)  # fmt: skip
_FORMATS = {
    name.lower(): name
    for name in ("CSV", "JSON", "GeoJSON", "XML", "XLSX", "XLS", "ODS", "PDF", "ZIP", "RDF", "KML", "HTML", "TXT", "Parquet")
}  # fmt: skip
_NAME = re.compile(r"[a-z0-9_\-]*")
_TAG = re.compile(r"[\w \-.]*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


def say(code: str, *values: object) -> str:
    """A text by its code."""
    return MESSAGES[code] % values if values else MESSAGES[code]


def name_errors(value: object) -> list[str]:
    """What is wrong with a name, whether or not it is free."""
    if value is None or value == "":
        return [say("missing")]
    if not isinstance(value, str):
        return [say("name_string")]
    if value in RESERVED:
        return [say("name_reserved")]
    if len(value) < 2:
        return [say("name_short")]
    if len(value) > 100:
        return [say("name_long")]
    return [] if _NAME.fullmatch(value) else [say("name_signs")]


def boolean(value: object) -> bool:
    """True for true and for the words that mean it."""
    return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "t", "y", "1")


def natural(value: object, default: int) -> int:
    """A number not below zero. Raises ValueError with the text of the refusal."""
    if value is None or value == "":
        return default
    try:
        number = int(str(value))
    except ValueError:
        raise ValueError(say("integer")) from None
    if number < 0:
        raise ValueError(say("natural"))
    return number


def dataset(given: Mapping[str, Any], errors: Errors) -> Thing:
    """The fields of a dataset that its sender decides upon; what is wrong goes into `errors`, by field."""
    if wrong := name_errors(given.get("name")):
        errors["name"] = wrong
    made: Thing = {"name": given.get("name"), "title": _text(given.get("title")) or given.get("name")}
    made |= {field: None if given.get(field) is None else _text(given[field]) for field in PLAIN}
    made |= {"private": boolean(given.get("private")), "type": _text(given.get("type")) or "dataset"}
    if len(made["version"] or "") > 100:
        errors["version"] = [say("version_long")]
    for field in ("author_email", "maintainer_email"):
        if made[field] and not _EMAIL.fullmatch(made[field]):
            errors[field] = [say("email", made[field])]
    if made["license_id"] and made["license_id"] not in LICENCES:
        errors["license_id"] = [say("licence")]
    made["tags"] = _tags(given, errors)
    made["extras"] = _extras(things(given, "extras", errors), errors)
    wrong_resources = []
    made["resources"] = []
    for each in things(given, "resources", errors):
        wrong_one: Errors = {}
        made["resources"].append(resource(each, wrong_one))
        wrong_resources.append(wrong_one)
    if any(wrong_resources):
        errors["resources"] = wrong_resources
    return made


def resource(given: Mapping[str, Any], errors: Errors) -> Thing:
    """The fields of a resource; those that CKAN does not know are kept as they are."""
    made: Thing = {field: None if given.get(field) is None else _text(given[field]) for field in RESOURCE}
    made |= {
        field: value for field, value in given.items() if field not in (*RESOURCE, "upload", "package_id", "position")
    }
    made["url"] = _text(given.get("url"))
    made["description"] = made["description"] or ""
    made["format"] = clean_format(made["format"] or "")
    for field in ("created", "last_modified", "cache_last_updated"):
        if made[field] and not _MOMENT.fullmatch(made[field]):
            errors[field] = [say("date")]
    try:
        made["size"] = None if given.get("size") in (None, "") else natural(given["size"], 0)
    except ValueError as error:
        errors["size"] = [str(error)]
    return made


def clean_format(text: str) -> str:
    """A format as CKAN writes it: known ones in one spelling."""
    return _FORMATS.get(text.strip().lower().removeprefix("."), text.strip())


def _tags(given: Mapping[str, Any], errors: Errors) -> list[Thing]:
    names = [_text(each.get("name")) for each in things(given, "tags", errors)]
    names += [part.strip() for part in _text(given.get("tag_string")).split(",") if part.strip()]
    wrong = []
    for name in names:
        code = "tag_short" if len(name) < 2 else "tag_long" if len(name) > 100 else ""
        code = code or ("" if _TAG.fullmatch(name) else "tag_signs")
        wrong.append(say(code, name) if code else "")
    if any(wrong):
        errors["tags"] = [text for text in wrong if text]
    return [{"display_name": n, "name": n, "state": "active", "vocabulary_id": None} for n in sorted(set(names))]


def _extras(given: list[Mapping[str, Any]], errors: Errors) -> list[Thing]:
    wrong = []
    for each in given:
        lacking = {field: [say("missing")] for field in ("key", "value") if each.get(field) in (None, "")}
        if each.get("value") == "":
            lacking.pop("value")
        wrong.append(lacking)
    if any(wrong):
        errors["extras"] = wrong
    keys = [_text(each.get("key")) for each in given]
    if twice := [key for number, key in enumerate(keys) if key in keys[:number]]:
        errors["extras_validation"] = [say("extra_twice", twice[0])]
    made = [{"key": _text(each.get("key")), "value": _text(each.get("value"))} for each in given]
    return sorted(made, key=lambda each: each["key"])


def things(given: Mapping[str, Any], field: str, errors: Errors) -> list[Mapping[str, Any]]:
    """A list of objects; what is none is an error of the field."""
    value = given.get(field)
    if value in (None, ""):
        return []
    if not isinstance(value, list):
        errors[field] = [say("list")]
        return []
    if any(not isinstance(each, dict) for each in value):
        errors[field] = [say("dict")]
        return []
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
