-- A table: the names are split once, and both dimensions join it, some pairs of epochs against each other.
{{ config(materialized='table') }}

with

delivered as (

    select
        'e0' as epoch,
        ward_code,
        ward_name,
        district_code,
        district_name,
        province_code,
        null::numeric(8, 2) as area_km2,
        null::numeric(8, 5) as latitude,
        null::numeric(8, 5) as longitude,
        _delivery
    from {{ ref('stg_home_affairs__unit_e0') }}
    where not _deleted

    union all

    select
        'e1' as epoch,
        ward_code,
        ward_name,
        district_code,
        district_name,
        province_code,
        null::numeric(8, 2) as area_km2,
        null::numeric(8, 5) as latitude,
        null::numeric(8, 5) as longitude,
        _delivery
    from {{ ref('stg_home_affairs__unit_e1') }}
    where not _deleted

    union all

    -- no districts any more, and one province: its code is the one Bắc Giang had until the day before
    select
        'e2' as epoch,
        ward_code,
        ward_name,
        null as district_code,
        null as district_name,
        '24' as province_code,
        area_km2,
        latitude,
        longitude,
        _delivery
    from {{ ref('stg_home_affairs__unit_e2') }}
    where not _deleted

)

select
    delivered.epoch,
    delivered.ward_code as unit_code,
    epochs.valid_from,
    epochs.valid_to,
    delivered.ward_name as unit_name,
    {{ name_without_type('delivered.ward_name') }} as name_without_type,
    {{ unit_type('delivered.ward_name') }} as unit_type,
    delivered.district_code,
    delivered.district_name,
    delivered.province_code,
    epochs.province_name,
    epochs.legal_basis,
    delivered.area_km2,
    delivered.latitude,
    delivered.longitude,
    delivered._delivery
from delivered
inner join {{ ref('int_governance__epoch') }} as epochs
    on
        delivered.epoch = epochs.epoch
        and delivered.province_code = epochs.province_code
