select
    from_code,
    from_name,
    from_district,
    from_province_code,
    to_code,
    to_name,
    _delivery,
    _deleted
from {{ source('home_affairs', 'link_e1_e2') }}
