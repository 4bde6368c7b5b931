-- Durable state: intent, records, history, audit. Bodies are JSON; key columns are for search and order.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('revision', 0), ('leaves', 0);

CREATE TABLE services (
    service    TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    replicas   INTEGER NOT NULL,
    body       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    secret TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
    node     TEXT PRIMARY KEY,
    cordoned INTEGER NOT NULL,
    draining INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE paused_agents (
    agent TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    leaf     INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;

CREATE TABLE change_services (
    service  TEXT NOT NULL,
    revision INTEGER NOT NULL REFERENCES changes (revision) ON DELETE CASCADE,
    PRIMARY KEY (service, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX change_services_by_revision ON change_services (revision);

CREATE TABLE incidents (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE proposals (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_leaves (
    position INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL,
    body     BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
