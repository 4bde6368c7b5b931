-- Changes of the key that signs the audit log: the last head that each key signed, which names the next key, and
-- the key itself. `size` is how many leaves it covers.

CREATE TABLE audit_handovers (
    size INTEGER PRIMARY KEY CHECK (size >= 0),
    note TEXT NOT NULL,
    public_key TEXT NOT NULL
) STRICT;

-- Who does not know this would sign with a key that was handed over to another.
UPDATE meta SET value = 7 WHERE key = 'oldest_reader';
