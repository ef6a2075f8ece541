-- Identifiers of Vietnam's administration as SQL: is a value well formed, what does it say, how is it written in one way.
-- Landing asks these when a contract names an identifier; models and analysts may ask them too.
--
-- Belongs here: rules that need nothing but the value. Stays out: whether somebody has the identifier, and lists (kho.code_value).
-- All are IMMUTABLE expressions that PostgreSQL writes into the query (but for phone_of_any, which binds a name): no FROM, and
-- no costly expression handed to a function that names its parameter twice. Digits are [0-9]: \d takes in those of other scripts
-- under some collations. null in, null out. Views may use them, indexes may not: a new version may change what they say.

-- -- Persons ---------------------------------------------------------------------------------------------------------------

create or replace function identifier.personal_id_is_valid(id text) returns boolean
language sql immutable parallel safe as $$
    select octet_length(id) = 12 and id !~ '[^0-9]'
           and (left(id, 1) <> '0' or left(id, 3) in (
               '001', '002', '004', '006', '008', '010', '011', '012', '014', '015', '017', '019', '020', '022', '024', '025', '026', '027', '030',
               '031', '033', '034', '035', '036', '037', '038', '040', '042', '044', '045', '046', '048', '049', '051', '052', '054', '056', '058',
               '060', '062', '064', '066', '067', '068', '070', '072', '074', '075', '077', '079', '080', '082', '083', '084', '086', '087', '089',
               '091', '092', '093', '094', '095', '096', '097', '098', '099'))
           and id not in ('111111111111', '222222222222', '333333333333', '444444444444', '555555555555', '666666666666', '777777777777',
                          '888888888888', '999999999999', '123456789012', '012345678901')
$$;
comment on function identifier.personal_id_is_valid(text) is
    'Số định danh cá nhân 12 chữ số: mã nơi đăng ký khai sinh (001-096, từ 100 là ở nước ngoài; 097-099 chỉ dùng cho dữ liệu mô phỏng), thế kỷ và giới tính, năm sinh, 6 số; không phải số điền cho có. Personal ID: place of birth registration, century and sex, year, six digits; no placeholder. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.personal_id_province(id text) returns text
language sql immutable parallel safe as $$
    select case when identifier.personal_id_is_valid(id) and left(id, 1) = '0' then left(id, 3) end
$$;
comment on function identifier.personal_id_province(text) is
    'Mã tỉnh nơi đăng ký khai sinh, theo 63 tỉnh cũ (không phải nơi cư trú); không có nếu đăng ký ở nước ngoài. Province of birth registration, of the former 63; null for one registered abroad. It is not the residence. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.personal_id_sex(id text) returns text
language sql immutable parallel safe as $$
    select case when identifier.personal_id_is_valid(id) then case when substr(id, 4, 1) in ('0', '2', '4', '6', '8') then 'male' else 'female' end end
$$;
comment on function identifier.personal_id_sex(text) is
    'Giới tính theo số định danh: male hoặc female. Sex that a personal ID states: male or female. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.personal_id_birth_year(id text) returns integer
language sql immutable parallel safe as $$
    select case when identifier.personal_id_is_valid(id) then 1900 + (ascii(substr(id, 4, 1)) - 48) / 2 * 100 + substr(id, 5, 2)::integer end
$$;
comment on function identifier.personal_id_birth_year(text) is
    'Năm sinh theo số định danh. Year of birth that a personal ID states: century digit and two digits of the year. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.sex_word(sex text) returns text
language sql immutable parallel safe as $$
    select case when sex ~ '^(?:[Nn][Aa][Mm]|[Mm]|[Mm][Aa][Ll][Ee]|0?1)$' then 'male'
                when sex ~ '^(?:[Nn][ữỮUu]|[Ff]|[Ff][Ee][Mm][Aa][Ll][Ee]|0?2)$' then 'female' end
$$;
comment on function identifier.sex_word(text) is
    'Giới tính như các cơ quan ghi (Nam/Nữ, 1/2, M/F) thành male hoặc female; 0 mỗi nơi hiểu một khác nên là không rõ. Sex as agencies write it; null when not known, 0 included, since systems differ about it. Source: QCVN 109:2017/BTTTT.';

create or replace function identifier.personal_id_agrees(id text, born date, sex text) returns boolean
language sql immutable parallel safe as $$
    select case when identifier.personal_id_is_valid(id) then
        coalesce(extract(year from born) = 1900 + (ascii(substr(id, 4, 1)) - 48) / 2 * 100 + substr(id, 5, 2)::integer, true)
        and coalesce(identifier.sex_word(sex) = case when substr(id, 4, 1) in ('0', '2', '4', '6', '8') then 'male' else 'female' end, true) end
$$;
comment on function identifier.personal_id_agrees(text, date, text) is
    'Số định danh khớp ngày sinh và giới tính; phần không rõ thì bỏ qua; không có kết quả nếu số sai dạng. Whether a personal ID agrees with date of birth and sex; what is unknown is passed over; null if the ID is not well formed. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.personal_id_agrees(id text, born text, sex text) returns boolean
language sql immutable parallel safe as $$
    select case when identifier.personal_id_is_valid(id) then
        coalesce(case when born !~ '[^0-9]' then case when octet_length(born) in (4, 8, 12, 14) then nullif(left(born, 4), '0000') end
                      when born ~ '^[0-9]+[/.-]([0-9]+[/.-])?[0-9]{4}$' and born ~ '^..?[/.-](..?[/.-])?....$' then nullif(right(born, 4), '0000')
                      when born ~ '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}' then nullif(left(born, 4), '0000') end
                 = (1900 + (ascii(substr(id, 4, 1)) - 48) / 2 * 100 + substr(id, 5, 2)::integer)::text, true)
        and coalesce(identifier.sex_word(sex) = case when substr(id, 4, 1) in ('0', '2', '4', '6', '8') then 'male' else 'female' end, true) end
$$;
comment on function identifier.personal_id_agrees(text, text, text) is
    'Như trên, ngày sinh là văn bản: dd/MM/yyyy, MM/yyyy, yyyy, 00/00/yyyy, yyyy-MM-dd, yyyyMMdd, yyyyMMddHHmm. The same for a date of birth as text, of any precision; only the year is compared. Source: Circular 07/2016/TT-BCA.';

create or replace function identifier.citizen_id_is_valid(id text) returns boolean
language sql immutable parallel safe as $$
    select case octet_length(id) when 9 then id !~ '[^0-9]'
                and id not in ('000000000', '111111111', '222222222', '333333333', '444444444', '555555555', '666666666', '777777777',
                               '888888888', '999999999', '123456789', '012345678')
           else identifier.personal_id_is_valid(id) end
$$;
comment on function identifier.citizen_id_is_valid(text) is
    'Số định danh cá nhân, hoặc số CMND 9 chữ số (hết giá trị sử dụng từ 01/01/2025, còn trong hồ sơ cũ); không phải số điền cho có. Personal ID, or number of the old identity card: nine digits, no placeholder. Source: Law on Identification 26/2023/QH15.';

create or replace function identifier.insurance_number_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select case octet_length(code) when 10 then code !~ '[^0-9]'
                and code not in ('0000000000', '1111111111', '2222222222', '3333333333', '4444444444', '5555555555', '6666666666', '7777777777',
                                 '8888888888', '9999999999', '1234567890', '0123456789')
           else identifier.personal_id_is_valid(code) end
$$;
comment on function identifier.insurance_number_is_valid(text) is
    'Mã số BHXH: 10 chữ số, đang chuyển sang số định danh cá nhân; không có số kiểm tra công bố. Social insurance number: ten digits, no published check digit; it is moving to the personal ID. Source: Decision 346/QĐ-BHXH; Law on Social Insurance 41/2024/QH15.';

create or replace function identifier.health_card_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select case octet_length(code) when 15 then substr(code, 3) !~ '[^0-9]' and substr(code, 3, 1) in ('1', '2', '3', '4', '5') and left(code, 2) in (
               'AK', 'BA', 'BT', 'CA', 'CB', 'CC', 'CH', 'CK', 'CN', 'CS', 'CT', 'CY', 'DK', 'DN', 'DS', 'DT', 'GB', 'GD', 'HC', 'HD', 'HG', 'HK',
               'HN', 'HS', 'HT', 'HX', 'KC', 'LH', 'LS', 'MS', 'ND', 'NN', 'NO', 'PV', 'QN', 'SV', 'TA', 'TB', 'TC', 'TD', 'TE', 'TG', 'TH', 'TK',
               'TN', 'TQ', 'TS', 'TU', 'TV', 'TY', 'XB', 'XD', 'XK', 'XN')
           else identifier.insurance_number_is_valid(code) end
$$;
comment on function identifier.health_card_is_valid(text) is
    'Thẻ BHYT: 15 ký tự cũ (mã đối tượng trong danh mục health_card_object, mức hưởng 1-5, mã tỉnh, mã số BHXH), 10 chữ số in trên thẻ từ 2021, hoặc số định danh. Health insurance card: the old 15 characters (object of the list health_card_object, benefit level, province, insurance number), the ten digits printed since 2021, or the personal ID. Source: Decision 1351/QĐ-BHXH, Decision 1666/QĐ-BHXH.';

create or replace function identifier.facility_code_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select octet_length(code) = 5 and code !~ '[^0-9A-Z]' and left(code, 2) !~ '[^0-9]' and left(code, 2) <> '00'
$$;
comment on function identifier.facility_code_is_valid(text) is
    'Mã cơ sở khám chữa bệnh: mã tỉnh hai chữ số, ba chữ số hoặc chữ hoa (24001, 01C51). Code of a health facility: province, three digits or capitals. Source: Decision 130/QĐ-BYT and its amendments.';

-- -- Enterprises -----------------------------------------------------------------------------------------------------------

create or replace function identifier.enterprise_code_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    -- Ten digits; the last is 10 less the weighted sum modulo 11. 7056 takes 48, the code of the digit 0, out of every term.
    select octet_length(code) = 10 and code !~ '[^0-9]' and substr(code, 3, 7) <> '0000000'
           and 10 - (31 * ascii(code) + 29 * ascii(substr(code, 2, 1)) + 23 * ascii(substr(code, 3, 1)) + 19 * ascii(substr(code, 4, 1))
                     + 17 * ascii(substr(code, 5, 1)) + 13 * ascii(substr(code, 6, 1)) + 7 * ascii(substr(code, 7, 1))
                     + 5 * ascii(substr(code, 8, 1)) + 3 * ascii(substr(code, 9, 1)) - 7056) % 11 = ascii(substr(code, 10, 1)) - 48
$$;
comment on function identifier.enterprise_code_is_valid(text) is
    'Mã số doanh nghiệp: 10 chữ số với số kiểm tra (trọng số 31, 29, 23, 19, 17, 13, 7, 5, 3, modulo 11). Enterprise code: ten digits with check digit. Source: Circular 105/2020/TT-BTC; Decree 168/2025/NĐ-CP.';

create or replace function identifier.tax_code_is_valid(code text, on_day date) returns boolean
language sql immutable parallel safe as $$
    select case octet_length(code) when 10 then identifier.enterprise_code_is_valid(code)
                when 12 then coalesce(on_day >= date '2025-07-01', true) and identifier.personal_id_is_valid(code)
                else code ~ '^[0-9]{10}-?[0-9]{3}$' and right(code, 3) <> '000' and identifier.enterprise_code_is_valid(left(code, 10)) end
$$;
comment on function identifier.tax_code_is_valid(text, date) is
    'Mã số thuế: 10 chữ số với số kiểm tra; đơn vị phụ thuộc thêm -001 đến -999; từ 01/07/2025 cá nhân và hộ kinh doanh dùng số định danh. Không có ngày thì nhận mọi dạng. Tax code: ten digits with check digit, dependants with three more; from 1 July 2025 persons and households use the personal ID. Without a day every form is taken. Source: Circular 105/2020/TT-BTC, Circular 86/2024/TT-BTC.';

create or replace function identifier.household_code_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select case when length(code) = 12 then identifier.personal_id_is_valid(code) else code ~ '^[0-9]{2}[A-Z]8[0-9]{6}$' end
$$;
comment on function identifier.household_code_is_valid(text) is
    'Số đăng ký hộ kinh doanh: 98B8012345 đến 30/06/2025, từ đó là số định danh của chủ hộ. Number of a household business: province, district and 8 until 30 June 2025, the owner''s personal ID since. Source: Decree 01/2021/NĐ-CP, Decree 168/2025/NĐ-CP.';

-- -- Agencies, procedures, dossiers ----------------------------------------------------------------------------------------

create or replace function identifier.agency_code_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select case when left(code, 1) in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
                then code ~ '^[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}$'
                else octet_length(code) <= 35 and code ~ '^[A-Z][0-9][0-9](?:\.[0-9A-Z]+)*$' end
$$;
comment on function identifier.agency_code_is_valid(text) is
    'Mã định danh cơ quan: kiểu mới từ gốc đến lá (H05.12), kiểu cũ từ lá đến gốc (000.00.12.H05). Identification code of an agency, new style (root first) or old (leaf first). Source: Decision 20/2020/QĐ-TTg; QCVN 102:2016/BTTTT.';

create or replace function identifier.agency_code_normal(code text) returns text
language sql immutable parallel safe as $$
    select case when identifier.agency_code_is_valid(code) then
        regexp_replace(regexp_replace(code, '^([0-9]{3})\.([0-9]{2})\.([0-9]{2})\.([A-Z][0-9]{2})$', '\4.\3.\2.\1'), '(?:\.0+)+$', '') end
$$;
comment on function identifier.agency_code_normal(text) is
    'Mã cơ quan viết theo một kiểu để so: 000.00.12.H05 thành H05.12; bỏ các nhóm toàn số 0 ở cuối. The code in one way, to compare: root first, without groups of zeros at the end. Source: Decision 20/2020/QĐ-TTg; QCVN 102:2016/BTTTT.';

create or replace function identifier.procedure_code_is_valid(code text) returns boolean
language sql immutable parallel safe as $$
    select octet_length(code) = 8 and code ~ '^[0-9]\.[0-9]+$'
$$;
comment on function identifier.procedure_code_is_valid(text) is
    'Mã thủ tục hành chính quốc gia: 1.001193. National code of an administrative procedure. Source: national database of administrative procedures.';

create or replace function identifier.procedure_code_national(code text) returns text
language sql immutable parallel safe as $$
    select substring(code from '^(?=.{8,44}$)([0-9]\.[0-9]{6})(?:\.[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}|\.[A-Z][0-9]{2}(?:\.[0-9A-Z]+)*)?$')
$$;
comment on function identifier.procedure_code_national(text) is
    'Mã quốc gia của mã thủ tục địa phương, bỏ đuôi mã cơ quan: 3.000181.000.00.00.H22 thành 3.000181; không có nếu mã hoàn toàn của địa phương. The national part of a local code; null for a code that is wholly local. Source: national database of administrative procedures.';

create or replace function identifier.dossier_code_is_valid(code text, received date) returns boolean
language sql immutable parallel safe as $$
    select code ~ '^[0-9A-Z.]+-[0-9]+-[0-9]+$' and octet_length(split_part(code, '-', 2)) = 6 and octet_length(split_part(code, '-', 3)) in (4, 5)
           and identifier.agency_code_is_valid(split_part(code, '-', 1))
           and case when received is not null
                    then extract(year from received) between 2000 and 2099 and split_part(code, '-', 2)
                         = right((1000000 + (extract(year from received)::integer - 2000) * 10000 + extract(month from received)::integer * 100
                                  + extract(day from received)::integer)::text, 6)
                    when substr(split_part(code, '-', 2), 3, 2) in ('01', '03', '05', '07', '08', '10', '12')
                    then right(split_part(code, '-', 2), 2) collate "C" between '01' and '31'
                    when substr(split_part(code, '-', 2), 3, 2) in ('04', '06', '09', '11')
                    then right(split_part(code, '-', 2), 2) collate "C" between '01' and '30'
                    when substr(split_part(code, '-', 2), 3, 2) = '02'
                    then right(split_part(code, '-', 2), 2) collate "C" between '01' and '28'
                         or right(split_part(code, '-', 2), 2) = '29' and left(split_part(code, '-', 2), 2) in (
                             '00', '04', '08', '12', '16', '20', '24', '28', '32', '36', '40', '44', '48', '52', '56', '60', '64', '68', '72', '76',
                             '80', '84', '88', '92', '96')
                    else code is null and null end
$$;
comment on function identifier.dossier_code_is_valid(text, date) is
    'Mã hồ sơ <mã cơ quan>-YYMMDD-XXXX (một số hệ thống 5 chữ số): ngày có thật và trùng ngày tiếp nhận nếu biết. Dossier code: agency in either style, a real day, which is the day of receipt where that is known, serial of four or five digits. Source: Circular 01/2018/TT-VPCP, Article 19.';

-- -- Telephones ------------------------------------------------------------------------------------------------------------

create or replace function identifier.phone_of_digits(n text) returns text
language sql immutable parallel safe as $$
    -- Most numbers are known by their length and first digits; the pattern is for the others.
    select case when octet_length(n) = 9 and left(n, 2) in (
            '30', '31', '32', '33', '34', '35', '36', '37', '38', '39', '51', '56', '58', '59', '70', '76', '77', '78', '79', '81', '82', '83', '84',
            '85', '86', '87', '88', '90', '91', '92', '93', '94', '95', '96', '97', '98')
        then '+84' || n
        when octet_length(n) = 10 and left(n, 3) in (
            '203', '204', '205', '206', '207', '208', '209', '210', '211', '212', '213', '214', '215', '216', '218', '219', '220', '221', '222',
            '225', '226', '227', '228', '229', '232', '233', '234', '235', '236', '237', '238', '239', '242', '243', '244', '245', '246', '247',
            '248', '251', '252', '254', '255', '256', '257', '258', '259', '260', '261', '262', '263', '269', '270', '271', '272', '273', '274',
            '275', '276', '277', '282', '283', '284', '285', '286', '287', '288', '289', '290', '291', '292', '293', '294', '296', '297', '299')
        then '+84' || n
        when octet_length(n) = 10 and left(n, 3) in (
            '240', '241', '120', '121', '122', '126', '128', '123', '124', '125', '127', '129', '162', '163', '164', '165', '166', '167', '168', '169',
            '186', '188', '199')
        then '+84' || case left(n, 3)
                when '240' then '204' when '241' then '222'
                when '120' then '70' when '121' then '79' when '122' then '77' when '126' then '76' when '128' then '78'
                when '123' then '83' when '124' then '84' when '125' then '85' when '127' then '81' when '129' then '82'
                when '186' then '56' when '188' then '58' when '199' then '59'
                else '3' || substr(n, 3, 1) end || substr(n, 4)
        else '+84' || substring(n from
            '^(?:121[0-3][0-9]{5}|(?:1[46]0|52[238]|559|89[6-9]|99[013-9])[0-9]{6}'
            '|1[89]00[0-9]{4,6}|12(?:0[13]|28)[0-9]{4}|672[0-9]{6}|[17]99[0-9]{4}|69[0-9]{5,6})$')
        end
$$;
comment on function identifier.phone_of_digits(text) is
    'E.164 của số trong nước, chỉ gồm chữ số, không có số 0 đầu; số cũ (0240, 0241 trước 2017; di động 11 số trước 2018) thành số nay. E.164 of a national number of digits without the leading 0, old numbers as they are today; null if there is no such number. Source: Circular 22/2014/TT-BTTTT; Decision 2036/QĐ-BTTTT (2016), Decision 798/QĐ-BTTTT (2018).';

create or replace function identifier.phone_of_any(value text) returns text
language sql immutable parallel safe as $$
    select identifier.phone_of_digits(n)
      from (select regexp_replace(plain, '^(?:(?:\+84|0084)0?|84(?=[0-9]{8,12}$)0{0,2}|0)', '') as n
              from (select translate(value, E' .-()\u00a0', '') as plain offset 0) stripped
             where plain ~ '^\+?[0-9]+$' offset 0) digits
     where n !~ '[^0-9]'
$$;
comment on function identifier.phone_of_any(text) is
    'E.164 của số viết có dấu cách, dấu chấm, gạch nối, ngoặc hoặc mã quốc gia. E.164 of a number written with separators or country code. Source: as phone_of_digits.';

create or replace function identifier.phone_normal(value text) returns text
language sql immutable parallel safe as $$
    select case when left(value, 1) = '0' and left(value, 2) <> '00' and value !~ '[^0-9]' then identifier.phone_of_digits(substr(value, 2))
                -- Two more ways of writing, common enough to be worth the words: separators, and the country code.
                when value ~ '^[(]?0[ .)-]*[1-9][0-9 .()-]*$'
                then identifier.phone_of_digits(substr(replace(replace(replace(replace(replace(value, ' ', ''), '.', ''), '-', ''), '(', ''), ')', ''), 2))
                when value ~ '^\+84[1-9][0-9]*$' then identifier.phone_of_digits(substr(value, 4))
                else identifier.phone_of_any(value) end
$$;
comment on function identifier.phone_normal(text) is
    'Số điện thoại theo E.164 (+84…), số cũ đã đổi sang số nay; không có nếu không phải số của Việt Nam. Telephone number of Vietnam in E.164, old numbers as they are today; null if it is none. Source: numbering plan, Circular 22/2014/TT-BTTTT; Decision 2036/QĐ-BTTTT (2016), Decision 798/QĐ-BTTTT (2018).';

create or replace function identifier.phone_is_valid(value text) returns boolean
language sql immutable parallel safe as $$
    select case when value is not null then identifier.phone_normal(value) is not null end
$$;
comment on function identifier.phone_is_valid(text) is
    'Số điện thoại của Việt Nam còn gọi được, kể cả viết theo số cũ đã đổi. Whether it is a telephone number of Vietnam that can be called, be it written as it was before renumbering. Source: as phone_normal.';
