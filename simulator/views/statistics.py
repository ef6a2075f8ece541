"""The statistics office: population figures, quarterly, and older years.

Belongs here: views of `population_stat` and `civil_year`. Stays out: statistics of one sector (its own agency).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.view import Column, View

POPULATION = View(
    id="statistics.population",
    agency="statistics",
    table="population_stat",
    title_vi="Dân số theo xã, giới tính, nhóm tuổi",
    system="folder",
    place="dan_so_{day:%Y%m%d}.csv",
    format="csv",
    key=("Mã xã", "Giới tính", "Nhóm tuổi"),
    columns=(
        Column("Mã xã", "commune_code"),
        Column("Giới tính", "sex"),
        Column("Nhóm tuổi", "age_group"),
        Column("Số người", "persons", "int", unit="người"),
    ),
    lag=30,
    dirt=dirt.numbers("Số người"),
)

YEARS = View(
    id="statistics.civil_year",
    agency="statistics",
    table="civil_year",
    title_vi="Dân số và hộ tịch các năm trước",
    system="folder",
    place="nien_giam_{day:%Y%m%d}.xlsx",
    format="xlsx",
    key=("Mã xã", "Năm"),
    columns=(
        Column("Mã xã", "commune_code"),
        Column("Năm", "year", "int"),
        Column("Dân số", "population", "int", unit="người"),
        Column("Số trẻ sinh", "births", "int", unit="trẻ"),
        Column("Số người chết", "deaths", "int", unit="người"),
        Column("Số cuộc kết hôn", "marriages", "int", unit="cuộc"),
    ),
    dirt=(*dirt.numbers("Dân số"), *dirt.communes("Mã xã")),
)

VIEWS = (POPULATION, YEARS)
