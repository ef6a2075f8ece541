select
    facility_code,
    facility_name,
    ownership,
    professional_level,
    bed_count,
    commune_code,
    phone,
    opened_on,
    is_active,
    updated_at,
    _delivery,
    _deleted
from {{ source('health', 'facility') }}
