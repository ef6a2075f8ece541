-- Every source: channels of a dataset, rows taken in with a note, code lists, tickets, answers, disclosures.
-- Belongs here: tables of migration 0004 and their grants. Stays out: functions.

create table kho.channel (
    dataset text not null,
    channel text not null,
    cursor text,
    last_delivery bigint,
    last_sha256 bytea,
    last_as_of timestamptz,
    last_good_at timestamptz,
    keys_checked_at timestamptz,
    source_columns jsonb,
    rules_hash bytea,
    primary key (dataset, channel)
);
comment on column kho.channel.rules_hash is 'Quy tắc mà lần giao gần nhất được kiểm tra theo. Hash of the rules by which the last applied delivery was judged: the same bytes under other rules are judged anew.';
comment on table kho.channel is 'Trạng thái từng kênh giao của một bộ dữ liệu. One row per dataset and channel: cursor, hash, as-of time of the last applied delivery, columns of the source then.';
insert into kho.channel (dataset, channel, cursor, last_delivery, last_sha256, last_as_of, last_good_at)
select dataset, 'source', cursor, last_delivery, last_sha256, last_as_of, last_good_at from kho.dataset;
alter table kho.dataset drop column cursor, drop column last_sha256;
comment on table kho.dataset is 'Trạng thái bộ dữ liệu. One row per dataset: its last applied delivery, whichever channel it came by.';
grant select, insert, update on kho.channel to kho_loader;
grant select on kho.channel to kho_release;

alter table kho.delivery add column channel text not null default 'source', add column noted bigint not null default 0,
    add column parts text[], add column partial boolean not null default false, add column layout text,
    add column retries bigint references kho.delivery;
comment on column kho.delivery.channel is 'Kênh giao. Which of the contract''s sources it came by.';
comment on column kho.delivery.noted is 'Dòng được nhận kèm lưu ý. Rows taken in although something about them is to be mended.';
comment on column kho.delivery.parts is 'Các phần mà lần giao là toàn bộ. Values of the contract''s partition column of which it is the whole; null without one.';
comment on column kho.delivery.partial is 'Không phải toàn bộ. Not the whole, although the contract promises all: it deletes nothing.';
comment on column kho.delivery.layout is 'Cột và kiểu của bytes. Columns and types of bytes that do not tell them themselves; null of all others.';
comment on column kho.delivery.retries is 'Lần giao bị từ chối được tiếp nhận lại. The refused delivery whose bytes these are; confirmed_by says who wanted it.';
create index on kho.delivery (dataset, as_of);
create index on kho.delivery using gin (parts) where parts is not null;

alter table quarantine.row add column file text, add column part text, alter column content drop not null;
-- Held rows wait outside raw; the others were taken in with a note.
alter table quarantine.row add column held boolean not null default true;
alter table quarantine.row drop constraint row_state_check;
alter table quarantine.row add constraint row_state_check check (state in ('open', 'noted', 'resolved', 'superseded'));
alter table quarantine.row add constraint held_rows_are_whole check (content is not null or not held);
comment on column quarantine.row.file is 'Tệp chứa dòng. File of a delivery of several files.';
comment on column quarantine.row.part is 'Phần dữ liệu mà tệp là toàn bộ. Value of the contract''s partition column.';
comment on column quarantine.row.state is 'open: chờ đơn vị sửa, held; noted: đã nhận kèm lưu ý, taken in with a note; resolved, superseded: đã có lần giao sau, closed by a later delivery.';
create index on quarantine.row (delivery_id);

alter table kho.attempt add column channel text not null default 'source';
comment on column kho.attempt.channel is 'Kênh đã hỏi. Which of the contract''s sources was asked.';

-- Code lists as the database knows them, filled from assets/code_lists.
create table kho.code_value (
    list text not null,
    code text not null,
    valid_from date not null default date '0001-01-01',
    valid_to date,
    label_vi text not null,
    label_en text not null,
    successor text,
    primary key (list, code, valid_from),
    constraint days_in_order check (valid_to is null or valid_to >= valid_from)
);
comment on table kho.code_value is
    'Giá trị của các danh mục dùng chung. Values of the code lists, dated: valid_to is the last day, null while in force; 0001-01-01 where the first day is not known. Grain: list, code, valid_from.';
comment on column kho.code_value.successor is 'Mã thay thế sau valid_to. Code that takes over after valid_to, where one does.';

create table kho.code_list (
    list text primary key,
    sha256 bytea not null,
    loaded_at timestamptz not null default clock_timestamp()
);
comment on table kho.code_list is
    'Phiên bản danh mục đang dùng. Which version of each code list kho.code_value holds: hash of its values as declared.';

grant select, insert, update, delete on kho.code_value, kho.code_list to kho_loader;
grant select on kho.code_value, kho.code_list to kho_transform, kho_gate, kho_release, kho_exchange, kho_portal, kho_analyst;

-- Tickets, corrected workbooks, and who was shown personal values.
create table kho.ticket (
    ticket bigint generated always as identity primary key,
    dataset text not null,
    agency text not null,
    column_name text not null, -- empty: the rule concerns the row as a whole
    rule text not null,
    owner text not null,
    opened_by bigint not null references kho.delivery,
    opened_on date not null,
    due_on date not null,
    second_due_on date not null,
    open_rows bigint not null check (open_rows >= 0),
    last_delivery bigint not null references kho.delivery,
    closed_by bigint references kho.delivery,
    closed_on date,
    reopens bigint unique references kho.ticket,
    constraint only_a_later_delivery_closes check (closed_by > opened_by),
    constraint closed_is_closed check ((closed_by is null) = (closed_on is null) and (closed_by is null) = (open_rows > 0)),
    constraint deadlines_in_order check (opened_on < due_on and due_on < second_due_on)
);
create unique index one_open_ticket on kho.ticket (dataset, column_name, rule) where closed_by is null;
create index on kho.ticket (agency, ticket);
comment on table kho.ticket is 'Phiếu theo dõi lỗi: mỗi loại lỗi của một bộ dữ liệu một phiếu, chỉ lần giao sau mới đóng được. One ticket per dataset, column and rule; only a later delivery closes it.';

create table kho.answer (
    delivery_id bigint primary key references kho.delivery deferrable initially deferred,
    dataset text not null,
    file_name text not null,
    sheet text not null,
    sha256 bytea not null,
    rows bigint not null,
    by_whom text not null check (btrim(by_whom) <> '')
);
comment on table kho.answer is 'Bảng tính đơn vị sửa và gửi lại đã thành lần giao nào. Corrected workbooks, by the delivery that each of their sheets became.';

create table kho.disclosure (
    disclosure bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    by_whom text not null check (btrim(by_whom) <> ''),
    dataset text not null,
    rows bigint not null,
    purpose text not null,
    role_name text not null default session_user
);
comment on table kho.disclosure is 'Ai đã xem giá trị cá nhân, lúc nào, bộ nào, bao nhiêu dòng. Who was shown personal values: written before they are shown, never changed.';

-- Nobody has DML on tickets: kho.keep_tickets (functions, sql/tickets.sql) is SECURITY DEFINER.
grant select on kho.ticket, kho.answer to kho_loader, kho_release;
grant insert on kho.answer to kho_loader;
grant select, insert on kho.disclosure to kho_release;
