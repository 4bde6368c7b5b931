-- The oldest schema whose programs may use this file: a step that they would not understand sets it to
-- its own number. Programs one step older than the file that are not older than this go on with it.

INSERT INTO meta (key, value) VALUES ('oldest_reader', 5);
