with recursive

commune as (

    select
        unit_code,
        valid_from,
        valid_to,
        _delivery
    from {{ ref('dim_administrative_unit') }}
    where unit_level = 'commune'

),

-- follows the links from every commune of every epoch; each step goes to a later epoch, so it ends
walk as (

    select
        unit_code as reported_code,
        valid_from,
        valid_to,
        unit_code as reached_code,
        valid_from as reached_valid_from,
        _delivery
    from commune

    union all

    select
        walk.reported_code,
        walk.valid_from,
        walk.valid_to,
        link.to_code as reached_code,
        link.to_valid_from as reached_valid_from,
        greatest(walk._delivery, link._delivery) as _delivery
    from walk
    inner join {{ ref('dim_administrative_unit_link') }} as link
        on walk.reached_code = link.from_code and walk.reached_valid_from = link.from_valid_from

)

select
    walk.reported_code,
    walk.valid_from,
    walk.valid_to,
    case when count(distinct today.unit_code) = 1 then min(today.unit_code) end as commune_code,
    count(distinct today.unit_code)::integer as commune_count,
    max(walk._delivery) as _delivery
from walk
left join commune as today
    on
        walk.reached_code = today.unit_code
        and walk.reached_valid_from = today.valid_from
        and today.valid_to is null
group by walk.reported_code, walk.valid_from, walk.valid_to
