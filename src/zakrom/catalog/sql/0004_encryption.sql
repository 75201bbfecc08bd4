-- Format 4: encrypted blobs.
--
-- `seal`: empty for plain bytes. Else the blob's bytes are encrypted: MessagePack of the format, the key's name and version, and the
-- wrapped data key (crypt/seals.py). `length`, `blocks` and `data` are of the encrypted bytes; slices count the bytes of the content.
ALTER TABLE blob ADD COLUMN seal BLOB;
-- For the job that wraps data keys anew.
CREATE INDEX blob_sealed ON blob (id) WHERE seal IS NOT NULL;
