-- A catalog of format 1 with one object, as the first release wrote it. Never to be changed.
PRAGMA page_size = 4096;
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE access_key (
    id TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    account TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    disabled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE account (
    name TEXT NOT NULL PRIMARY KEY,
    canonical_id TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    root INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE blob (
    id INTEGER NOT NULL PRIMARY KEY,
    refs INTEGER NOT NULL,
    retired_ms INTEGER,
    length INTEGER NOT NULL,
    blocks BLOB NOT NULL,
    data BLOB,
    CHECK (refs > 0 OR retired_ms IS NOT NULL)
);
INSERT INTO "blob" VALUES(4611686018427387905,1,NULL,5,X'00000000',X'68656C6C6F');
CREATE TABLE bucket (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    region TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    versioning INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER
);
INSERT INTO "bucket" VALUES(1,'photos','o','us-east-1',17,0,NULL);
CREATE TABLE damage (
    blob INTEGER NOT NULL PRIMARY KEY,
    block INTEGER,
    found_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE document (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bucket, kind)
) WITHOUT ROWID;
CREATE TABLE generation (
    id INTEGER NOT NULL PRIMARY KEY,
    opened_ms INTEGER NOT NULL,
    closed INTEGER NOT NULL
);
CREATE TABLE history (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    rank INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    etag TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    owner TEXT NOT NULL,
    blob INTEGER,
    manifest INTEGER,
    parts INTEGER NOT NULL,
    details BLOB,
    noncurrent_ms INTEGER,
    PRIMARY KEY (bucket, key, rank)
) WITHOUT ROWID;
CREATE TABLE hold (
    name TEXT NOT NULL PRIMARY KEY,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE manifest (
    id INTEGER NOT NULL PRIMARY KEY,
    refs INTEGER NOT NULL,
    retired_ms INTEGER,
    unravelled INTEGER NOT NULL DEFAULT 0,
    slices BLOB NOT NULL,
    parts BLOB NOT NULL,
    CHECK (refs > 0 OR retired_ms IS NOT NULL)
);
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "meta" VALUES('bucket',1);
INSERT INTO "meta" VALUES('full',0);
INSERT INTO "meta" VALUES('generation',0);
INSERT INTO "meta" VALUES('seq',65536);
CREATE TABLE object (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    etag TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    owner TEXT NOT NULL,
    blob INTEGER,
    manifest INTEGER,
    parts INTEGER NOT NULL,
    details BLOB,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
INSERT INTO "object" VALUES(1,X'612F622E6A7067',2,0,5,18,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','STANDARD','o',4611686018427387905,NULL,0,NULL);
CREATE TABLE part (
    upload INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    slices BLOB NOT NULL,
    checksum BLOB,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE retired_bucket (
    bucket INTEGER NOT NULL PRIMARY KEY,
    retired_ms INTEGER NOT NULL
);
CREATE TABLE upload (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    owner TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    checksum_algorithm TEXT,
    checksum_full_object INTEGER,
    base_seq INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    details BLOB,
    PRIMARY KEY (bucket, key, id)
) WITHOUT ROWID;
CREATE TABLE usage (
    bucket INTEGER NOT NULL PRIMARY KEY,
    objects INTEGER NOT NULL DEFAULT 0,
    versions INTEGER NOT NULL DEFAULT 0,
    markers INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    uploads INTEGER NOT NULL DEFAULT 0,
    upload_bytes INTEGER NOT NULL DEFAULT 0,
    freed INTEGER NOT NULL DEFAULT 0,
    CHECK (objects >= 0 AND versions >= objects AND markers >= 0 AND bytes >= 0 AND uploads >= 0 AND upload_bytes >= 0)
);
INSERT INTO "usage" VALUES(0,1,1,0,5,0,0,0);
INSERT INTO "usage" VALUES(1,1,1,0,5,0,0,0);
CREATE INDEX bucket_owner ON bucket (owner, name);
CREATE UNIQUE INDEX history_null ON history (bucket, key) WHERE nonce = 0;
CREATE INDEX blob_retired ON blob (retired_ms, id) WHERE retired_ms IS NOT NULL;
CREATE INDEX manifest_retired ON manifest (retired_ms, id) WHERE retired_ms IS NOT NULL;
CREATE INDEX access_key_account ON access_key (account, id);
COMMIT;
