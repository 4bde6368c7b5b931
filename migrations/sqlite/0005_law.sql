-- What people rule at the moment: freezes they called (by name), emergencies they declared (by person), and
-- the policies in force where these are not the shipped ones (by file name), each as JSON.

CREATE TABLE law (
    kind TEXT NOT NULL CHECK (kind IN ('freeze', 'glass', 'policies')),
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
