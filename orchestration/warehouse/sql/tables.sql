-- What Kho remembers: attempts, receipts, quarantine, builds, gates, releases and the ledger.
-- Belongs here: tables of the schemas kho and quarantine, and their grants. Stays out: functions.
-- Evidence (receipt, gate, release) cannot be committed without its ledger row: the deferred foreign keys see to it.

create table kho.ledger (
    seq bigint primary key,
    at timestamptz not null,
    kind text not null check (kind in ('receipt', 'gate', 'release', 'rollback')),
    subject text not null,
    ref bigint not null,
    payload_hash bytea not null,
    prev bytea not null,
    mac bytea not null,
    unique (kind, subject, ref)
);
comment on table kho.ledger is 'Sổ cái: chuỗi băm HMAC của bằng chứng. Hash chain of evidence; holds hashes only, its key lives outside the database.';

create table kho.dataset (
    dataset text primary key,
    agency text not null,
    subject text not null,
    cursor text,
    last_delivery bigint,
    last_sha256 bytea,
    last_as_of timestamptz,
    last_good_at timestamptz
);
comment on table kho.dataset is 'Trạng thái nguồn. One row per dataset: cursor, hash and as-of date of the last applied delivery.';

create sequence kho.delivery_id;
create table kho.delivery (
    delivery_id bigint primary key,
    dataset text not null,
    agency text not null,
    subject text not null,
    night date not null,
    source_name text not null,
    as_of timestamptz not null,
    received_at timestamptz not null default clock_timestamp(),
    sha256 bytea not null,
    size_bytes bigint not null,
    kept_path text not null,
    encoding text not null,
    received bigint not null default 0,
    accepted bigint not null default 0,
    quarantined bigint not null default 0,
    duplicates bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    deleted bigint not null default 0,
    unchanged bigint not null default 0,
    cursor_before text,
    cursor_after text,
    deletions_withheld boolean not null default false,
    drift jsonb not null default '{}',
    outcome text not null check (outcome in ('applied', 'waiting', 'refused')),
    confirms bigint,
    confirmed_by text,
    reason_vi text,
    reason_en text,
    ledger_kind text not null default 'receipt' check (ledger_kind = 'receipt'),
    constraint counts_add_up check (outcome <> 'applied' or received = accepted + quarantined + duplicates),
    constraint receipt_is_in_ledger foreign key (ledger_kind, dataset, delivery_id)
        references kho.ledger (kind, subject, ref) deferrable initially deferred
);
create index on kho.delivery (dataset, delivery_id);
comment on table kho.delivery is 'Biên nhận: mỗi lần giao một dòng. Receipts, one per delivery: received = accepted + quarantined + duplicates.';

create table kho.attempt (
    attempt_id bigint generated always as identity primary key,
    dataset text not null,
    agency text not null,
    subject text not null,
    night date not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    outcome text not null check (outcome in ('applied', 'unchanged', 'nothing', 'waiting', 'refused', 'failed')),
    delivery_id bigint,
    error_code text,
    error_vi text,
    error_en text
);
create index on kho.attempt (dataset, attempt_id);
comment on table kho.attempt is 'Mỗi lần hỏi nguồn một dòng, kể cả khi nguồn không trả lời. One row per attempt to take in a dataset, failures included.';

create sequence quarantine.quarantine_id;
create table quarantine.row (
    quarantine_id bigint primary key,
    dataset text not null,
    delivery_id bigint not null,
    row_number bigint not null,
    key jsonb,
    content jsonb not null,
    state text not null default 'open' check (state in ('open', 'resolved', 'superseded')),
    closed_by bigint
);
create index on quarantine.row (dataset, state);
create table quarantine.problem (
    quarantine_id bigint not null references quarantine.row,
    code text not null,
    column_name text,
    found text,
    expected text,
    message_vi text not null,
    message_en text not null
);
create index on quarantine.problem (quarantine_id);
comment on table quarantine.row is 'Khu cách ly: nguyên dòng trái hợp đồng dữ liệu, chờ đơn vị sửa. Rows that break their contract, kept whole. Grain: row of a delivery.';
comment on table quarantine.problem is 'Lỗi của từng dòng trong khu cách ly. What is wrong with a quarantined row. Grain: row and rule.';

create table kho.warehouse_table (
    subject text not null,
    table_name text not null,
    key text[] not null,
    watermark boolean not null,
    primary key (subject, table_name)
);
comment on table kho.warehouse_table is 'Bảng kho do dbt khai báo. Warehouse tables as declared by dbt: key, and whether the candidate carries a build watermark.';

create table kho.build (
    build bigint generated always as identity primary key,
    subject text not null,
    night date not null,
    base_release int not null,
    state text not null check (state in ('building', 'frozen', 'promoted', 'dropped', 'failed')),
    started_at timestamptz not null default clock_timestamp(),
    versions jsonb,
    reason text
);
create index on kho.build (subject, build);
create table kho.build_table (
    build bigint not null references kho.build,
    subject text not null,
    table_name text not null,
    key text[] not null,
    columns text[] not null,
    baseline boolean not null,
    inserted bigint not null,
    updated bigint not null,
    deleted bigint not null,
    primary key (build, table_name)
);
comment on table kho.build is 'Bản dự tuyển. Candidates, one row per build of a subject.';
comment on table kho.build_table is 'Phần thay đổi đã đóng băng của từng bảng. Frozen changes of a build, one row per table.';

create table kho.gate (
    build bigint primary key references kho.build,
    subject text not null,
    verdict text not null check (verdict in ('pass', 'fail')),
    rules_hash text not null,
    full_scan boolean not null,
    checked_at timestamptz not null default clock_timestamp(),
    ledger_kind text not null default 'gate' check (ledger_kind = 'gate'),
    constraint gate_is_in_ledger foreign key (ledger_kind, subject, build)
        references kho.ledger (kind, subject, ref) deferrable initially deferred
);
create table kho.gate_result (
    build bigint not null references kho.build,
    subject text not null,
    expectation_id text not null,
    table_name text not null,
    expectation_type text not null,
    severity text not null,
    quality_word text not null,
    scope text not null,
    success boolean not null,
    element_count bigint,
    unexpected_count bigint,
    message_vi text not null,
    message_en text not null,
    primary key (build, table_name, expectation_id)
);
create table kho.gate_failure (
    build bigint not null references kho.build,
    subject text not null,
    expectation_id text not null,
    table_name text not null,
    key jsonb not null,
    delivery_id bigint,
    agency text
);
create index on kho.gate_failure (build);
comment on table kho.gate is 'Phán quyết của cổng chất lượng. Verdict of the quality gate, one row per build.';
comment on table kho.gate_result is 'Kết quả từng kỳ vọng. Result of each expectation of a build; counts only, no values.';
comment on table kho.gate_failure is 'Khóa của mọi dòng không đạt. Keys of all failing rows, with the delivery and the agency they came from.';

create table kho.release (
    subject text not null,
    release int not null,
    build bigint not null unique references kho.build,
    kind text not null check (kind in ('release', 'rollback')),
    restores int,
    released_at timestamptz not null default clock_timestamp(),
    by_whom text not null,
    primary key (subject, release),
    constraint release_is_in_ledger foreign key (kind, subject, release)
        references kho.ledger (kind, subject, ref) deferrable initially deferred
);
comment on table kho.release is 'Bản phát hành. Releases, one row per subject and release number; a rollback is a release that restores an earlier one.';

create table kho.subject_night (
    subject text not null,
    night date not null,
    state text not null check (state in ('released', 'stale', 'held', 'blocked', 'failed')),
    release int not null,
    build bigint,
    because_vi text not null default '',
    because_en text not null default '',
    at timestamptz not null default clock_timestamp(),
    primary key (subject, night)
);
comment on table kho.subject_night is 'Kết quả mỗi lĩnh vực mỗi đêm. How each subject came out of each night: released, stale, held, blocked or failed.';

grant select, insert, update on kho.subject_night to kho_release;
grant select on kho.subject_night to kho_transform, kho_analyst;
grant select, insert, update on kho.dataset to kho_loader;
grant select, insert on kho.delivery, kho.attempt to kho_loader;
grant usage on sequence kho.delivery_id, quarantine.quarantine_id to kho_loader;
grant select, insert, update on quarantine.row to kho_loader;
grant select, insert on quarantine.problem to kho_loader;
grant select on kho.build, kho.release, kho.warehouse_table, kho.build_table, kho.dataset, kho.attempt, kho.delivery to kho_transform;
grant select on kho.build, kho.build_table, kho.warehouse_table, kho.delivery, kho.release to kho_gate;
grant select, insert on kho.gate, kho.gate_result, kho.gate_failure to kho_gate;
-- The release role reads everything that `kho status` and the night's report tell; it writes only through functions.
grant select on all tables in schema kho, quarantine to kho_release;
grant select on kho.release, kho.delivery, kho.dataset, kho.attempt, kho.gate, kho.gate_result, kho.ledger to kho_analyst, kho_exchange;
