"""Diseases by ICD-10, and how often which age and sex comes with them.

Belongs here: codes, names, weights, and drawing them. Stays out: who falls ill (`health_visits`).

Weights are plausible shares of insured visits, not statistics of the province.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.chance import Bools, Chance, Ids, Ints
from simulator.table import words

# code: (name, weight of children below 6, from 6 to 17, grown-ups, from 60 on; sex; share of those who stay overnight)
DISEASES: dict[str, tuple[str, int, int, int, int, str, float]] = {
    "A09": ("Viêm dạ dày ruột do nhiễm trùng", 30, 14, 10, 8, "", 0.15),
    "A90": ("Sốt dengue", 6, 8, 7, 4, "", 0.45),
    "B01.9": ("Thủy đậu không biến chứng", 8, 8, 2, 0, "", 0.05),
    "B08.4": ("Bệnh tay chân miệng", 26, 2, 0, 0, "", 0.30),
    "B18.1": ("Viêm gan virus B mạn tính", 0, 1, 16, 12, "", 0.03),
    "C16.9": ("U ác dạ dày", 0, 0, 2, 6, "", 0.45),
    "C34.9": ("U ác phế quản hoặc phổi", 0, 0, 2, 7, "", 0.45),
    "C50.9": ("U ác vú", 0, 0, 5, 5, "F", 0.40),
    "D50.9": ("Thiếu máu do thiếu sắt", 5, 3, 4, 4, "", 0.06),
    "E04.2": ("Bướu giáp đa nhân không độc", 0, 1, 10, 9, "", 0.02),
    "E11.9": ("Đái tháo đường không phụ thuộc insulin, chưa biến chứng", 0, 0, 62, 130, "", 0.02),
    "E78.5": ("Rối loạn chuyển hóa lipoprotein", 0, 0, 22, 30, "", 0.01),
    "F20.9": ("Tâm thần phân liệt", 0, 0, 8, 6, "", 0.10),
    "F41.9": ("Rối loạn lo âu", 0, 3, 12, 10, "", 0.03),
    "G40.9": ("Động kinh", 2, 5, 6, 3, "", 0.04),
    "G47.0": ("Rối loạn giấc ngủ", 0, 1, 8, 16, "", 0.02),
    "H00.0": ("Chắp, lẹo", 6, 8, 8, 3, "", 0.0),
    "H10.9": ("Viêm kết mạc", 16, 16, 14, 10, "", 0.0),
    "H25.9": ("Đục thủy tinh thể người già", 0, 0, 1, 28, "", 0.40),
    "H52.1": ("Cận thị", 2, 30, 4, 0, "", 0.0),
    "H66.9": ("Viêm tai giữa", 18, 8, 4, 2, "", 0.04),
    "I10": ("Tăng huyết áp vô căn", 0, 0, 85, 230, "", 0.02),
    "I20.9": ("Cơn đau thắt ngực", 0, 0, 6, 24, "", 0.12),
    "I50.9": ("Suy tim", 0, 0, 3, 20, "", 0.25),
    "I63.9": ("Nhồi máu não", 0, 0, 5, 26, "", 0.40),
    "I84.9": ("Trĩ", 0, 0, 12, 7, "", 0.20),
    "J00": ("Viêm mũi họng cấp", 60, 50, 22, 12, "", 0.0),
    "J02.9": ("Viêm họng cấp", 62, 60, 38, 20, "", 0.01),
    "J03.9": ("Viêm amiđan cấp", 26, 34, 14, 4, "", 0.04),
    "J11.1": ("Cúm với biểu hiện hô hấp khác", 14, 16, 9, 7, "", 0.08),
    "J18.9": ("Viêm phổi", 34, 8, 7, 18, "", 0.60),
    "J20.9": ("Viêm phế quản cấp", 58, 30, 24, 26, "", 0.12),
    "J30.4": ("Viêm mũi dị ứng", 12, 22, 20, 9, "", 0.0),
    "J44.9": ("Bệnh phổi tắc nghẽn mạn tính", 0, 0, 5, 34, "", 0.18),
    "J45.9": ("Hen", 10, 10, 9, 12, "", 0.08),
    "K02.9": ("Sâu răng", 16, 34, 18, 12, "", 0.0),
    "K21.9": ("Bệnh trào ngược dạ dày - thực quản", 0, 5, 34, 30, "", 0.01),
    "K29.7": ("Viêm dạ dày", 1, 9, 44, 40, "", 0.03),
    "K35.8": ("Viêm ruột thừa cấp", 1, 5, 5, 2, "", 0.98),
    "K74.6": ("Xơ gan", 0, 0, 8, 9, "", 0.35),
    "L20.9": ("Viêm da cơ địa", 14, 10, 9, 7, "", 0.01),
    "L50.9": ("Mày đay", 9, 11, 12, 6, "", 0.02),
    "M10.9": ("Gút", 0, 0, 18, 14, "M", 0.03),
    "M17.9": ("Thoái hóa khớp gối", 0, 0, 20, 62, "", 0.04),
    "M47.9": ("Thoái hóa cột sống", 0, 0, 44, 66, "", 0.08),
    "M54.5": ("Đau thắt lưng", 0, 3, 34, 34, "", 0.07),
    "N18.5": ("Suy thận mạn tính, giai đoạn 5", 0, 0, 14, 16, "", 0.05),
    "N20.0": ("Sỏi thận", 0, 0, 13, 11, "", 0.20),
    "N40": ("Tăng sản tuyến tiền liệt", 0, 0, 3, 36, "M", 0.12),
    "N76.0": ("Viêm âm đạo cấp", 0, 2, 22, 3, "F", 0.0),
    "O80": ("Đẻ thường một thai", 0, 0, 12, 0, "F", 1.0),
    "O82": ("Đẻ mổ một thai", 0, 0, 9, 0, "F", 1.0),
    "R10.4": ("Đau bụng", 7, 9, 8, 7, "", 0.05),
    "R50.9": ("Sốt", 16, 8, 5, 3, "", 0.10),
    "R51": ("Đau đầu", 1, 9, 12, 12, "", 0.02),
    "S52.5": ("Gãy đầu dưới xương quay", 2, 8, 4, 6, "", 0.25),
    "S61.9": ("Vết thương cổ tay và bàn tay", 3, 6, 8, 3, "", 0.06),
    "S06.0": ("Chấn động não", 2, 3, 4, 3, "", 0.75),
    "Z00.0": ("Khám sức khỏe tổng quát", 6, 6, 10, 8, "", 0.0),
}  # fmt: skip
CODES = tuple(DISEASES)
NAMES = tuple(row[0] for row in DISEASES.values())
OVERNIGHT = np.array([row[6] for row in DISEASES.values()])
BIRTHS = tuple(CODES.index(code) for code in ("O80", "O82"))
NEWBORN = (("Z38.0", "P59.9", "P07.3", "P22.8"), (78, 12, 6, 4))
NEWBORN_NAMES = (
    "Trẻ sinh một tại bệnh viện",
    "Vàng da sơ sinh",
    "Trẻ non tháng khác",
    "Suy hô hấp khác của trẻ sơ sinh",
)
CHRONIC = ("I10", "E11.9", "E78.5", "K29.7", "M47.9", "K21.9", "J45.9", "H25.9", "M17.9", "I20.9")
_AGES = (6, 18, 60)


@cache
def _weights() -> npt.NDArray[np.float64]:
    """By age group (0 to 3) and sex (0 women): cumulated weights of all diseases."""
    table = np.zeros((4, 2, len(CODES)))
    for index, row in enumerate(DISEASES.values()):
        for age in range(4):
            table[age, 0, index] = 0 if row[5] == "M" else row[1 + age]
            table[age, 1, index] = 0 if row[5] == "F" else row[1 + age]
    return np.asarray(table.cumsum(axis=2) / table.sum(axis=2, keepdims=True), np.float64)


def draw(chance: Chance, name: str, ids: Ids, years: Ids, male: Bools) -> Ints:
    """The index of a disease that fits age and sex, for each; nobody gives birth after 45."""
    drawn = chance.uniform(name, ids)
    group = np.searchsorted(_AGES, np.asarray(years), side="right") * 2 + male
    found = np.zeros(len(drawn), np.int64)
    for cell in np.unique(group):
        there = group == cell
        found[there] = np.searchsorted(_weights()[cell // 2, cell % 2], drawn[there], side="right")
    late = np.isin(found, BIRTHS) & (np.asarray(years) > 45)
    return np.where(late, CODES.index("I10"), found).astype(np.int64)


def secondary(chance: Chance, name: str, ids: Ids, years: Ids, main: Ids) -> Any:
    """Other diseases as codes with semicolons, none to three, never the main one (an index into `CODES`); the old have
    more of them. Null for none.
    """
    many = np.minimum((chance.uniform(name, ids) * (np.asarray(years) + 15) / 24).astype(np.int64), 3)
    position = np.array([CHRONIC.index(code) if code in CHRONIC else -1 for code in CODES])[main]
    first = (position + chance.integer(f"{name}/first", ids, 1, len(CHRONIC) - 3)) % len(CHRONIC)
    combined = [";".join((CHRONIC + CHRONIC)[i : i + k]) for k in (1, 2, 3) for i in range(len(CHRONIC))]
    return words(combined, np.maximum(many - 1, 0) * len(CHRONIC) + first, many > 0)
