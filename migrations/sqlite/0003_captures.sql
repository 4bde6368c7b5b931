-- What the world around an incident looked like when it was opened, without secrets: JSON, 512 KiB at
-- most. It goes with its incident. No foreign key: incidents are replaced as they move on, and a
-- replaced row would take its capture with it.

CREATE TABLE captures (
    incident TEXT PRIMARY KEY,
    body     TEXT NOT NULL
) STRICT;
