select
    ward_code,
    ward_name,
    area_km2,
    latitude,
    longitude,
    _delivery,
    _deleted
from {{ source('home_affairs', 'unit_e2') }}
