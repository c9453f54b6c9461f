-- +goose Up
-- A journal is one generation of a machine's records. journal numbers them within a site, epoch within a machine.
-- who, why and at say who let the journal take the place of the one before; at is 0 and who is empty for a machine's
-- first. size, root and note are the machine's newest signed checkpoint; edge is the hashes of the complete subtrees
-- over its records, from the left, 32 bytes each: what the next record is added to.
CREATE TABLE ledger_journals (
	site TEXT NOT NULL,
	journal BIGINT NOT NULL,
	machine TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	generation TEXT NOT NULL,
	who TEXT NOT NULL,
	why TEXT NOT NULL,
	at BIGINT NOT NULL, -- milliseconds since 1970
	size BIGINT NOT NULL,
	root BLOB NOT NULL,
	edge BLOB NOT NULL,
	note BLOB NOT NULL,
	PRIMARY KEY (site, journal),
	UNIQUE (site, machine, epoch),
	UNIQUE (site, machine, generation)
);

-- record is the canonical JSON that the machine signed, leaf the hash of salt and record (RFC 6962). kind, member,
-- session and wall are read from record.
CREATE TABLE ledger_records (
	site TEXT NOT NULL,
	journal BIGINT NOT NULL,
	seq BIGINT NOT NULL,
	kind TEXT NOT NULL,
	member TEXT NOT NULL,
	session TEXT NOT NULL,
	wall BIGINT NOT NULL, -- milliseconds since 1970, by the machine's clock
	salt BLOB NOT NULL,
	leaf BLOB NOT NULL,
	record BLOB NOT NULL,
	PRIMARY KEY (site, journal, seq)
) WITHOUT ROWID;

-- Within a journal wall grows with seq, but where a clock was set: a batch is added to the end of few ranges. With wall
-- before journal, the machines' entries would mix, and each batch would change several times as many pages.
CREATE INDEX ledger_records_kind ON ledger_records (site, kind, journal, wall);

-- The tree's inner hashes of every eighth level: the hash at level 8 and place n covers the records from n*256+1 to
-- (n+1)*256. Those between are calculated from at most 256 of the level below.
CREATE TABLE ledger_hashes (
	site TEXT NOT NULL,
	journal BIGINT NOT NULL,
	level BIGINT NOT NULL,
	place BIGINT NOT NULL,
	hash BLOB NOT NULL,
	PRIMARY KEY (site, journal, level, place)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE ledger_hashes;
DROP TABLE ledger_records;
DROP TABLE ledger_journals;
