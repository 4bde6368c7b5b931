-- Agents that a person promoted on an eval's certificate, as JSON with that certificate. An agent that
-- is not here acts with a person's yes only.

CREATE TABLE promoted_agents (
    agent TEXT PRIMARY KEY,
    body  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
