-- What is owed to national systems and what became of it: obligations, the outbox, runs, reconciliations.
-- Belongs here: tables and grants. Stays out: what moves a message from one state to the next (exchange_send.sql).
-- The columns that say what is sent (item, id, key) have no grant to anybody: only planning writes them.

create table kho.obligation (
    obligation_id smallint generated always as identity primary key,
    obligation text not null unique,
    subject text not null,
    table_name text not null,
    planned_release int not null default 0,
    confirmed bigint not null default 0,
    refused bigint not null default 0,
    set_aside bigint[] not null default '{}',
    last_seq bigint not null default 0,
    failures int not null default 0,
    next_at timestamptz,
    problem_vi text not null default '',
    problem_en text not null default '',
    looked_at timestamptz
);
comment on table kho.obligation is 'Nghĩa vụ đồng bộ. One row per obligation: the release up to which messages are planned, and why the receiver cannot be reached.';
comment on column kho.obligation.set_aside is 'Messages put aside because the receiver failed on them again and again, since it last dealt with anything: then they get one more chance; too many come back too.';

create table kho.batch (
    obligation_id smallint not null references kho.obligation,
    batch int not null,
    release int not null,
    reconciliation int,
    operation text not null check (operation in ('insert', 'update', 'delete')),
    first_seq bigint not null,
    last_seq bigint not null,
    messages int not null check (messages > 0),
    state text not null default 'pending' check (state in ('pending', 'sending', 'uncertain', 'confirmed')),
    attempts int not null default 0,
    due_on date not null,
    sent_at timestamptz,
    finished_at timestamptz,
    sent_sha256 bytea,
    run int,
    primary key (obligation_id, batch)
);
create index on kho.batch (obligation_id, first_seq) where state <> 'confirmed';
create index on kho.batch (obligation_id, run);
comment on table kho.batch is 'Gói gửi: các thông điệp đi cùng một lần. Messages that travel together; confirmed means answered, refused ones in it are dead letters.';

create table kho.message (
    -- No foreign key: checking a million of them would be kept in memory until the planning commits. Only planning writes here.
    obligation_id smallint not null,
    seq bigint not null,
    batch int not null,
    key text not null,
    id uuid not null,
    item text,
    code text,
    reason_vi text,
    reason_en text,
    owner text,
    rejected_at timestamptz,
    closed_by bigint,
    switched boolean not null default false,
    retried_by text,
    primary key (obligation_id, seq),
    constraint a_refusal_has_a_reason check ((code is null) = (reason_vi is null) and (code is null) = (rejected_at is null))
);
create index on kho.message (obligation_id, key) where code is not null and closed_by is null;
comment on table kho.message is 'Hàng đợi gửi: từng thông điệp, đúng từng byte. Outbox, one row per version of a record; its state is that of its batch unless refused (code).';

create table kho.exchange_run (
    obligation text not null references kho.obligation (obligation),
    run int not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    outcome text not null check (outcome in ('done', 'more', 'waiting')),
    planned bigint not null,
    confirmed bigint not null,
    rejected bigint not null,
    ledger_kind text not null default 'exchange' check (ledger_kind = 'exchange'),
    primary key (obligation, run),
    constraint run_is_in_ledger foreign key (ledger_kind, obligation, run)
        references kho.ledger (kind, subject, ref) deferrable initially deferred
);
comment on table kho.exchange_run is 'Lần gửi. Runs of the sender in which something was planned or answered, each in the ledger.';

create table kho.reconciliation (
    obligation text not null references kho.obligation (obligation),
    number int not null,
    at timestamptz not null default clock_timestamp(),
    release int not null,
    whole boolean not null,
    compared bigint not null,
    buckets int not null,
    differing int not null,
    missing bigint not null,
    different bigint not null,
    extra bigint not null,
    known bigint not null,
    repaired bigint not null,
    confirmed_by text,
    primary key (obligation, number)
);
comment on table kho.reconciliation is 'Đối soát hai bên. Comparisons of what we hold with what the receiver holds, in records, and what was put into the outbox.';

create view kho.outbox as
    select o.obligation, m.seq, m.key, m.id, b.release, b.reconciliation, b.operation,
           case when m.code is null then b.state when m.closed_by is null then 'rejected' else 'superseded' end as state,
           b.batch, b.attempts, b.due_on, b.sent_at, b.finished_at, m.code, m.reason_vi, m.reason_en, m.owner, m.rejected_at, m.closed_by
      from kho.message m join kho.batch b using (obligation_id, batch) join kho.obligation o using (obligation_id);
comment on view kho.outbox is 'Từng thông điệp và trạng thái. Messages with their state: pending, sending, uncertain, confirmed, rejected, superseded. Without their content.';

grant select on kho.obligation, kho.batch, kho.message, kho.exchange_run, kho.reconciliation, kho.outbox to kho_exchange;
grant select on kho.build_table, kho.release to kho_exchange;
grant insert on kho.exchange_run, kho.reconciliation to kho_exchange;
grant update (failures, next_at, problem_vi, problem_en, looked_at) on kho.obligation to kho_exchange;
grant select on kho.obligation, kho.batch, kho.exchange_run, kho.reconciliation, kho.outbox to kho_release;

-- Frozen rows wait in the journal before their gate has spoken: the sender's role never sees that schema.
revoke select on all tables in schema journal from kho_exchange;
revoke usage on schema journal from kho_exchange;

alter table kho.ledger drop constraint ledger_kind_check;
alter table kho.ledger add constraint ledger_kind_check
    check (kind in ('receipt', 'gate', 'release', 'rollback', 'exchange', 'publication'));
