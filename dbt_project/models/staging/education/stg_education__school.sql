select
    school_code,
    school_name,
    level as school_level,
    ownership,
    commune_code,
    founded_year,
    class_count,
    pupil_count,
    teacher_count,
    room_count,
    site_area_m2,
    national_standard as national_standard_level,
    budget_million_vnd,
    _delivery,
    _deleted
from {{ source('education', 'school') }}
