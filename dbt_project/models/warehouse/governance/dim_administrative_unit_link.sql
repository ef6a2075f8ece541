with

delivered as (

    select
        'e0' as from_epoch,
        'e1' as to_epoch,
        from_code,
        to_code,
        _delivery
    from {{ ref('stg_home_affairs__link_e0_e1') }}
    where not _deleted

    union all

    select
        'e1' as from_epoch,
        'e2' as to_epoch,
        from_code,
        to_code,
        _delivery
    from {{ ref('stg_home_affairs__link_e1_e2') }}
    where not _deleted

),

dated as (

    -- a link to a unit that was not delivered says nothing; the unit it leaves without a link is found by its rule
    select
        predecessor.unit_code as from_code,
        predecessor.valid_from as from_valid_from,
        predecessor.name_without_type as from_name_without_type,
        predecessor.unit_type as from_unit_type,
        successor.unit_code as to_code,
        successor.valid_from as to_valid_from,
        successor.name_without_type as to_name_without_type,
        successor.unit_type as to_unit_type,
        successor.legal_basis,
        count(*) over (partition by predecessor.unit_code, predecessor.valid_from) as successor_count,
        count(*) over (partition by successor.unit_code, successor.valid_from) as predecessor_count,
        delivered._delivery
    from delivered
    inner join {{ ref('int_governance__commune') }} as predecessor
        on delivered.from_epoch = predecessor.epoch and delivered.from_code = predecessor.unit_code
    inner join {{ ref('int_governance__commune') }} as successor
        on delivered.to_epoch = successor.epoch and delivered.to_code = successor.unit_code

)

select
    from_code,
    from_valid_from,
    to_code,
    to_valid_from,
    case
        when successor_count > 1 then 'part'
        when predecessor_count > 1 then 'whole'
        when from_name_without_type <> to_name_without_type then 'rename'
        when coalesce(from_unit_type, '') <> coalesce(to_unit_type, '') then 'type'
        else 'unchanged'
    end as link_kind,
    -- no source states the shares of a divided commune: they are left open, never guessed
    cast(case when successor_count = 1 then 1 end as numeric(9, 8)) as weight,
    legal_basis,
    _delivery
from dated
