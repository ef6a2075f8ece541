-- The part of Kho's own tables that the gate reads and writes. Purpose: a throwaway database for the tests of the gate.
-- Only this file has to follow when the warehouse's own definitions change. The ledger's foreign keys are left out: tests
-- of the gate do not append to the ledger.
create role kho_gate login;
create schema kho;
create schema journal;
create table kho.build (build bigint primary key, subject text not null, base_release int not null, state text not null);
create table kho.build_table (
    build bigint not null, subject text not null, table_name text not null, key text[] not null,
    columns text[] not null, baseline boolean not null, inserted bigint not null, updated bigint not null,
    deleted bigint not null, primary key (build, table_name)
);
create table kho.delivery (delivery_id bigint primary key, agency text not null);
create table kho.release (
    subject text not null, release int not null, build bigint not null, kind text not null, primary key (subject, release)
);
create table kho.gate (
    build bigint primary key, subject text not null, verdict text not null, rules_hash text not null,
    full_scan boolean not null, checked_at timestamptz not null
);
create table kho.gate_result (
    build bigint not null, subject text not null, expectation_id text not null, table_name text not null,
    expectation_type text not null, severity text not null, quality_word text not null, scope text not null,
    success boolean not null, element_count bigint, unexpected_count bigint, message_vi text not null,
    message_en text not null, primary key (build, table_name, expectation_id)
);
create table kho.gate_failure (
    build bigint not null, subject text not null, expectation_id text not null, table_name text not null,
    key jsonb not null, delivery_id bigint, agency text
);
grant usage on schema kho, journal to kho_gate;
grant select on kho.build, kho.build_table, kho.delivery, kho.release to kho_gate;
grant select, insert on kho.gate, kho.gate_result, kho.gate_failure to kho_gate;
