-- Format 3: IAM users, groups, roles, policies and providers of accounts.

-- A row of `account` is an account (`owner` empty) or an IAM user: `owner` is then the canonical id of its account, `name` and
-- `canonical_id` are its unique id, `display_name` is its name, `iam` the rest of it (model/iam.py). `revision` grows with every change
-- of an account's identities: a change was decided on one revision and is refused on another.
ALTER TABLE account ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN iam BLOB;
CREATE INDEX account_owner ON account (owner) WHERE owner <> '';

-- All other identities of an account, values of model/iam.py.
CREATE TABLE entity (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (owner, id)
) WITHOUT ROWID;

-- When access keys were last used, exact to about a minute.
CREATE TABLE key_use (
    id TEXT NOT NULL PRIMARY KEY,
    used_ms INTEGER NOT NULL,
    region TEXT NOT NULL,
    service TEXT NOT NULL
) WITHOUT ROWID;
