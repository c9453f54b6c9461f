-- +goose Up
-- A line of the audit log. entry is what the tree covers; salt and personal are removed when a person is erased.
CREATE TABLE audit_entry (
	site TEXT NOT NULL,
	seq BIGINT NOT NULL, -- 1, 2, 3 … no gaps
	entry TEXT NOT NULL, -- canonical JSON
	account TEXT NOT NULL,
	about TEXT, -- what the act was done to
	salt BLOB,
	personal TEXT, -- canonical JSON: name, about, detail
	PRIMARY KEY (site, seq)
);
CREATE INDEX audit_entry_about ON audit_entry (site, about);
CREATE INDEX audit_entry_account ON audit_entry (site, account);

-- The right edge of the tree, and the checkpoint that the hub's key signed with the last entry.
CREATE TABLE audit_head (
	site TEXT NOT NULL PRIMARY KEY,
	size BIGINT NOT NULL,
	edge BLOB NOT NULL, -- 64 hashes of 32 bytes at most; the hash of level n at n × 32
	signed TEXT NOT NULL
);

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit_entry;
