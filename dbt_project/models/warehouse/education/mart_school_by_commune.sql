select
    commune_code,
    school_level,
    count(*)::integer as school_count,
    -- what no school reports is unknown, not 0: hence no coalesce() in any figure
    sum((national_standard_level > 0)::integer)::integer as national_standard_school_count,
    sum(class_count)::integer as class_count,
    sum(pupil_count)::integer as pupil_count,
    sum(teacher_count)::integer as teacher_count,
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
