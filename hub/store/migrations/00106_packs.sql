-- +goose Up
-- A pack contains the decisions of a machine's records with the sequence numbers from part*2000+1 to (part+1)*2000
-- (package hub/decided). A pack is a copy of what ledger_records contains, and is read to replay a policy.
CREATE TABLE ledger_packs (
	site TEXT NOT NULL,
	journal BIGINT NOT NULL,
	part BIGINT NOT NULL,
	decisions BIGINT NOT NULL,
	newest BIGINT NOT NULL, -- latest time of a decision, in milliseconds since 1970; 0: the pack has no decisions
	pack BLOB NOT NULL,
	PRIMARY KEY (site, journal, part)
);

-- +goose Down
DROP TABLE ledger_packs;
