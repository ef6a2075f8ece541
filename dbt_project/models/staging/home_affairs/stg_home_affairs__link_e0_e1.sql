select
    from_code,
    from_name,
    to_code,
    to_name,
    _delivery,
    _deleted
from {{ source('home_affairs', 'link_e0_e1') }}
