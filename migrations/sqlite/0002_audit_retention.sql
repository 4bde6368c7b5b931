-- Where the kept audit log begins. Leaves before `cut` are gone, all but the edge of the tree
-- (`peaks`: hashes of the full subtrees, largest first, 32 bytes each). Of reads before `reads_to`
-- the bodies may be empty; their hashes stay. Leaves of the log itself say what was dropped.

CREATE TABLE audit_retention (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    cut      INTEGER NOT NULL,
    peaks    BLOB NOT NULL,
    reads_to INTEGER NOT NULL
) STRICT;

INSERT INTO audit_retention (one, cut, peaks, reads_to) VALUES (1, 0, x'', 0);
