-- The files of administrative units carry no dates: this is where they get them. A new reorganisation adds rows here.
-- 1900-01-01 stands for «since before the records start»; valid_to is the last day, null = in force.
select
    epoch,
    province_code,
    province_name,
    valid_from,
    valid_to,
    legal_basis
from (
    values
    ('e0', '24', 'Tỉnh Bắc Giang', date '1900-01-01', date '2024-12-31', null),
    ('e0', '27', 'Tỉnh Bắc Ninh', date '1900-01-01', date '2024-11-30', null),
    ('e1', '24', 'Tỉnh Bắc Giang', date '2025-01-01', date '2025-06-30', '1191/NQ-UBTVQH15'),
    ('e1', '27', 'Tỉnh Bắc Ninh', date '2024-12-01', date '2025-06-30', '1255/NQ-UBTVQH15'),
    ('e2', '24', 'Tỉnh Bắc Ninh', date '2025-07-01', null, '1658/NQ-UBTVQH15')
) as epochs (epoch, province_code, province_name, valid_from, valid_to, legal_basis)
