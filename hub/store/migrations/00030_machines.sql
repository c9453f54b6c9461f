-- +goose Up
CREATE TABLE machine (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	version BIGINT NOT NULL,             -- grows with every change
	added BIGINT NOT NULL,               -- this and all times: milliseconds since 1970
	enrolled BIGINT NOT NULL DEFAULT 0,  -- 0: not yet, or it is hub.yaml's
	revoked BIGINT NOT NULL DEFAULT 0,   -- 0: it is not
	reason TEXT NOT NULL DEFAULT '',     -- of the revocation
	public TEXT NOT NULL DEFAULT '',     -- the verifier key of its checkpoints
	password BLOB,                       -- SHA-256 of the password of its account at the broker
	program TEXT NOT NULL DEFAULT '',    -- as it called itself when it joined
	replacing TEXT NOT NULL DEFAULT '',  -- who let its next journal take the place of the one held; empty: nobody
	bundle BIGINT NOT NULL DEFAULT 0,    -- the newest bundle that it fetched a part of
	fetched BIGINT NOT NULL DEFAULT 0,   -- when
	PRIMARY KEY (site, machine)
);

CREATE TABLE machine_certificate (
	site TEXT NOT NULL,
	serial TEXT NOT NULL,                -- hexadecimal
	machine TEXT NOT NULL,
	issued BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (site, serial)
);

CREATE INDEX machine_certificate_of ON machine_certificate (site, machine, expires);

CREATE TABLE machine_code (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	hash BLOB NOT NULL,                  -- PBKDF2 of the secret
	made BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	attempts BIGINT NOT NULL DEFAULT 0,  -- wrong secrets while it could be used
	used BIGINT NOT NULL DEFAULT 0,      -- 0: not yet
	replaces BIGINT NOT NULL DEFAULT 0,  -- 1: the machine was there before, and begins a new journal
	maker TEXT NOT NULL DEFAULT '',      -- who made it
	PRIMARY KEY (site, machine)
);

-- +goose Down
DROP TABLE machine_code;
DROP TABLE machine_certificate;
DROP TABLE machine;
