-- A full snapshot speaks of the day it is read, so its commune codes are those in force: the open interval holds
-- 9999-12-31 whichever day today is.
select
    school.school_code,
    school.school_name,
    school.school_level,
    school.ownership,
    commune_now.commune_code,
    school.commune_code as commune_code_reported,
    school.founded_year,
    school.class_count,
    school.pupil_count,
    school.teacher_count,
    school.room_count,
    school.site_area_m2,
    school.national_standard_level,
    (school.budget_million_vnd * 1000000)::numeric(20, 0) as budget_vnd,
    school._delivery
from {{ ref('stg_education__school') }} as school
{{ today_commune('school.commune_code', "date '9999-12-31'") }}
where not school._deleted
