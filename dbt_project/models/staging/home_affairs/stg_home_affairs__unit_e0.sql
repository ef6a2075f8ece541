select
    ward_code,
    ward_name,
    district_code,
    district_name,
    province_code,
    _delivery,
    _deleted
from {{ source('home_affairs', 'unit_e0') }}
