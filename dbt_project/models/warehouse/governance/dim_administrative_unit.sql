with

commune as (

    select * from {{ ref('int_governance__commune') }}

),

district as (

    -- max(): were one code spelt in two ways within a delivery, the unit must still be one row
    select
        district_code as unit_code,
        valid_from,
        valid_to,
        max(district_name) as unit_name,
        province_code,
        province_name,
        legal_basis,
        max(_delivery) as _delivery
    from commune
    where district_code is not null
    group by district_code, valid_from, valid_to, province_code, province_name, legal_basis

)

select
    unit_code,
    valid_from,
    valid_to,
    'commune' as unit_level,
    unit_name,
    name_without_type,
    unit_type,
    coalesce(district_code, province_code) as parent_code,
    district_code,
    district_name,
    province_code,
    province_name,
    legal_basis,
    area_km2,
    latitude,
    longitude,
    _delivery
from commune

union all

select
    unit_code,
    valid_from,
    valid_to,
    'district' as unit_level,
    unit_name,
    {{ name_without_type('unit_name') }} as name_without_type,
    {{ unit_type('unit_name') }} as unit_type,
    province_code as parent_code,
    unit_code as district_code,
    unit_name as district_name,
    province_code,
    province_name,
    legal_basis,
    null as area_km2,
    null as latitude,
    null as longitude,
    _delivery
from district

union all

select
    province_code as unit_code,
    valid_from,
    valid_to,
    'province' as unit_level,
    province_name as unit_name,
    {{ name_without_type('province_name') }} as name_without_type,
    {{ unit_type('province_name') }} as unit_type,
    null as parent_code,
    null as district_code,
    null as district_name,
    province_code,
    province_name,
    legal_basis,
    null as area_km2,
    null as latitude,
    null as longitude,
    null as _delivery
from {{ ref('int_governance__epoch') }}
