-- Format 2: what lifecycle rules will do, by time, so that nothing has to be walked to see what is due.

-- For each version of buckets with a lifecycle document of which a rule will do something: when. `rank` is that of the version
-- (-seq), or for an open upload its serial. A row is a reminder, not a decision: what it reminds of is decided anew, by the rules and
-- facts of the moment, in the transaction that does it.
CREATE TABLE due (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    rank INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, rank)
) WITHOUT ROWID;
CREATE INDEX due_at ON due (at_ms);

-- Buckets whose rules have changed: all their versions, then their uploads, are looked at in bounded steps. How far that has come:
-- `key` and `rank` of a version, then `key` and `upload`.
CREATE TABLE survey (
    bucket INTEGER NOT NULL PRIMARY KEY,
    uploads INTEGER NOT NULL DEFAULT 0,
    key BLOB NOT NULL DEFAULT x'',
    rank INTEGER NOT NULL DEFAULT -9223372036854775808,
    upload TEXT NOT NULL DEFAULT ''
);
