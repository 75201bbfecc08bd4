-- Format 1: all facts of a store.
--
-- Times are milliseconds since 1970, sizes are bytes, keys are UTF-8 bytes and compare as bytes. Columns named `details`, `slices`,
-- `parts` (of a manifest) and `checksum` hold MessagePack arrays, the values of model/facts.py: nothing is ever searched in them.
-- Numbers that must never be used twice (bucket ids, generations, seq) are counted in `meta`, not left to the database.

-- A store's few single facts: the counters `seq` (reserved in advance: see ledger.py), `bucket`, `generation`; `quota_bytes` of
-- the whole store (no row: no limit); `full` (1: the disk had no room when last looked at).
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Buckets. `versioning`: 0 never, 1 enabled, 2 suspended. An id is never given twice, so what is kept under a dead id is invisible.
CREATE TABLE bucket (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    region TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    versioning INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER
);
CREATE INDEX bucket_owner ON bucket (owner, name);

-- Exact counts of each bucket, and of the whole store under bucket 0, changed in the transaction of what they count.
-- `freed` is the cursor of the space signal: it grows whenever room was made in the scope.
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

-- The configuration documents of buckets (tags, policy, CORS ...), each a body of its own kind.
CREATE TABLE document (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (bucket, kind)
) WITHOUT ROWID;

-- The current version of each key that is not a delete marker: what LIST walks. The bytes are elsewhere (`blob`), so that a page
-- of keys lies in few pages of the file: with bodies in this table a listing of 1,000 took four times as long.
-- `blob`: the content is one whole blob; `manifest`: it is many slices; neither: it is empty. `parts`: of a multipart upload, else 0.
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

-- Noncurrent versions and all delete markers. `rank` is -seq: ascending is newest first. `noncurrent_ms` is empty for the one
-- delete marker that is the newest of its key, and for nothing else; such a key has no row in `object`.
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
-- A key has one null version at most; this finds it among a million noncurrent ones.
CREATE UNIQUE INDEX history_null ON history (bucket, key) WHERE nonce = 0;

-- Immutable bytes. `refs` counts names: versions that name the blob whole, and slices of manifests and parts. `blocks`: CRC32C per
-- 128 KiB, four bytes each, big-endian. `data`: the bytes, where they ride here; such ids start at 1 << 62 and grow, so that rows are
-- appended. A blob with a file that lost its last name stays, with `retired_ms`, until its file is gone: who reads it still finds the
-- checksums. The columns that change stand before the long ones. Ids of files: generation << 32 | serial.
CREATE TABLE blob (
    id INTEGER NOT NULL PRIMARY KEY,
    refs INTEGER NOT NULL,
    retired_ms INTEGER,
    length INTEGER NOT NULL,
    blocks BLOB NOT NULL,
    data BLOB,
    CHECK (refs > 0 OR retired_ms IS NOT NULL)
);
CREATE INDEX blob_retired ON blob (retired_ms, id) WHERE retired_ms IS NOT NULL;

-- Ordered slices of blobs, one row an object. A manifest without a name (`refs` 0) has `retired_ms` and is taken apart in bounded
-- steps; the first `unravelled` of its slices have given up their names already.
CREATE TABLE manifest (
    id INTEGER NOT NULL PRIMARY KEY,
    refs INTEGER NOT NULL,
    retired_ms INTEGER,
    unravelled INTEGER NOT NULL DEFAULT 0,
    slices BLOB NOT NULL,
    parts BLOB NOT NULL,
    CHECK (refs > 0 OR retired_ms IS NOT NULL)
);
CREATE INDEX manifest_retired ON manifest (retired_ms, id) WHERE retired_ms IS NOT NULL;

-- Open multipart uploads; `serial` stands for one in `part`, which would repeat the key otherwise.
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

-- Deleted buckets whose open uploads are still to be taken apart, in bounded steps like manifests.
CREATE TABLE retired_bucket (
    bucket INTEGER NOT NULL PRIMARY KEY,
    retired_ms INTEGER NOT NULL
);

-- Who may own buckets. "user" is a word of SQL's own, hence the name.
CREATE TABLE account (
    name TEXT NOT NULL PRIMARY KEY,
    canonical_id TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    root INTEGER NOT NULL
) WITHOUT ROWID;

-- Key pairs. The secrets are readable: SigV4 needs them. The file is 0600.
CREATE TABLE access_key (
    id TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    account TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    disabled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX access_key_account ON access_key (account, id);

-- Processes that may have staged blobs. A closed one is to be swept: what it left on disk and no `blob` row names is rubbish.
CREATE TABLE generation (
    id INTEGER NOT NULL PRIMARY KEY,
    opened_ms INTEGER NOT NULL,
    closed INTEGER NOT NULL
);

-- Blobs found rotten or missing. `block` empty: the file is missing or cut short.
CREATE TABLE damage (
    blob INTEGER NOT NULL PRIMARY KEY,
    block INTEGER,
    found_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
);

-- The durable state of background jobs, as JSON.
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID;

-- While one of these lasts, no retired blob is reaped: a backup is copying.
CREATE TABLE hold (
    name TEXT NOT NULL PRIMARY KEY,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- "Zakr": `file` and SQLite's tools can tell whose database this is.
PRAGMA application_id = 1516333938;

INSERT INTO meta (name, value) VALUES ('seq', 0), ('bucket', 0), ('generation', 0), ('full', 0);
INSERT INTO usage (bucket) VALUES (0);
