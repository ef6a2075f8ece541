select
    enterprise_code,
    name_vi as enterprise_name,
    name_short as enterprise_short_name,
    legal_form,
    registered_at,
    changed_at,
    change_count,
    charter_capital_vnd,
    address,
    commune_code,
    industry_code,
    industry_version,
    status,
    industrial_zone,
    is_fdi,
    _delivery,
    _deleted
from {{ source('enterprise_registry', 'enterprise') }}
