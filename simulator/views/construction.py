"""The Department of Construction, which has taken over transport: the bus network, in the shape of GTFS.

Belongs here: views of the bus tables. Stays out: the truth (`province.smart_city_transport`).
"""

from __future__ import annotations

from simulator.views import dirt
from simulator.views.dirt import Dirt
from simulator.views.view import Column, View, constant
from simulator.views.workbook import Csv

ROUTES = View(
    id="construction.bus_route",
    agency="construction",
    table="bus_route",
    title_vi="Tuyến xe buýt (GTFS routes)",
    system="sftp",
    place="gtfs_routes_{day:%Y%m%d}.txt",
    format="csv",
    csv=Csv(bom=True, crlf=True),
    key=("route_id",),
    columns=(
        Column("route_id", "route_id"),
        Column("agency_id", constant("SXD-BN")),
        Column("route_short_name", "route_short_name"),
        Column("route_long_name", "route_long_name"),
        Column("route_type", "route_type", "int"),
    ),
    dirt=(Dirt("text_nfd", "route_long_name"),),
)

STOPS = View(
    id="construction.bus_stop",
    agency="construction",
    table="bus_stop",
    title_vi="Điểm dừng xe buýt (GTFS stops)",
    system="sftp",
    place="gtfs_stops_{day:%Y%m%d}.txt",
    format="csv",
    csv=Csv(bom=True, crlf=True),
    key=("stop_id",),
    columns=(
        Column("stop_id", "stop_id"),
        Column("stop_name", "stop_name"),
        Column("stop_lat", "stop_lat", "decimal:6"),
        Column("stop_lon", "stop_lon", "decimal:6"),
        Column("zone_id", "commune_code"),
        Column("wheelchair_boarding", constant("0")),
        Column("nha_cho", "is_sheltered", "bool:1/0"),
    ),
    dirt=(*dirt.texts("stop_name"), *dirt.communes("zone_id"), Dirt("number_comma", "stop_lat"), Dirt("duplicate")),
)

TRIPS = View(
    id="construction.bus_trip",
    agency="construction",
    table="bus_trip",
    title_vi="Chuyến xe buýt (GTFS trips)",
    system="sftp",
    place="gtfs_trips_{day:%Y%m%d}.txt",
    format="csv",
    csv=Csv(crlf=True),
    key=("trip_id",),
    columns=(
        Column("route_id", "route_id"),
        Column("service_id", "service_id"),
        Column("trip_id", "trip_id"),
        Column("direction_id", "direction_id", "int"),
    ),
    share=0.995,
    dirt=(Dirt("code_typo", "route_id"),),
)

STOP_TIMES = View(
    id="construction.bus_stop_time",
    agency="construction",
    table="bus_stop_time",
    title_vi="Giờ đến điểm dừng (GTFS stop_times)",
    system="sftp",
    place="gtfs_stop_times_{day:%Y%m%d}.txt",
    format="csv",
    csv=Csv(crlf=True),
    key=("trip_id", "stop_sequence"),
    columns=(
        Column("trip_id", "trip_id"),
        Column("arrival_time", "arrival_time"),
        Column("departure_time", "departure_time"),
        Column("stop_id", "stop_id"),
        Column("stop_sequence", "stop_sequence", "int"),
    ),
    dirt=(Dirt("missing", "arrival_time", rate=0.005), Dirt("duplicate")),
)

VIEWS = (ROUTES, STOPS, TRIPS, STOP_TIMES)
