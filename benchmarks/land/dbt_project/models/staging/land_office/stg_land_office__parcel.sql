select
    parcel_code,
    address,
    commune_code,
    land_use_code,
    registered_on,
    sheet_number,
    area_m2,
    is_mortgaged,
    updated_at,
    _delivery,
    _deleted
from {{ source('land_office', 'parcel') }}
