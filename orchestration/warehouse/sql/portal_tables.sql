-- What was published as open data: one row a version of a dataset, and where each dataset stands.
-- Belongs here: tables of the portal and their grants. Stays out: the files themselves (KHO_HOME/portal), roles, the ledger.
-- A version cannot be committed without its ledger row: the deferred foreign key sees to it.

create table kho.portal_version (
    dataset text not null,
    version int not null check (version > 0),
    subject text not null,
    release int not null check (release > 0),
    published_at timestamptz not null default clock_timestamp(),
    row_count bigint not null check (row_count >= 0),
    files jsonb not null,
    content_sha256 bytea not null,
    declaration_sha256 bytea not null,
    ledger_kind text not null default 'publication' check (ledger_kind = 'publication'),
    primary key (dataset, version),
    constraint publication_is_in_ledger foreign key (ledger_kind, dataset, version)
        references kho.ledger (kind, subject, ref) deferrable initially deferred
);
comment on table kho.portal_version is 'Phiên bản dữ liệu mở đã công bố. Versions of open datasets, one row each; files: name, bytes and SHA-256 of every file.';

create table kho.portal_dataset (
    dataset text primary key,
    subject text not null,
    release int not null default 0,
    version int,
    state text not null check (state in ('published', 'unchanged', 'held', 'never', 'failed')),
    because_vi text not null default '',
    because_en text not null default '',
    rules_sha256 bytea not null default '',
    attempts int not null default 0,
    attempted_at timestamptz,
    looked_at timestamptz,
    foreign key (dataset, version) references kho.portal_version (dataset, version)
);
comment on table kho.portal_dataset is 'Trạng thái bộ dữ liệu mở. How each open dataset came out when it was last looked at, on which release and by which rules; attempts begun.';

grant select on kho.release, kho.build to kho_portal;
grant select, insert on kho.portal_version to kho_portal;
grant select, insert, update on kho.portal_dataset to kho_portal;
grant select on kho.portal_version, kho.portal_dataset to kho_release, kho_analyst;
