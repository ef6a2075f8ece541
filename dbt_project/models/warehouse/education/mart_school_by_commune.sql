select
    commune_code,
    school_level,
    count(*)::integer as school_count,
    count(*) filter (where national_standard_level > 0)::integer as national_standard_school_count,
    coalesce(sum(class_count), 0)::integer as class_count,
    coalesce(sum(pupil_count), 0)::integer as pupil_count,
    coalesce(sum(teacher_count), 0)::integer as teacher_count,
    -- pupils of schools that report no class count would inflate the ratio
    round(
        sum(pupil_count) filter (where class_count > 0)::numeric / sum(class_count) filter (where class_count > 0), 2
    )::numeric(8, 2) as pupils_per_class,
    max(_delivery) as _delivery
from {{ ref('dim_school') }}
where
    commune_code is not null
    and school_level is not null
group by commune_code, school_level
