-- +goose Up
-- Somebody who can sign in. Times are milliseconds since 1970.
CREATE TABLE account (
	site TEXT NOT NULL,
	id TEXT NOT NULL,
	version BIGINT NOT NULL,
	name TEXT NOT NULL,
	name_key TEXT NOT NULL, -- the name as it is compared
	member TEXT NOT NULL, -- empty: nobody in the directory
	role TEXT NOT NULL, -- owner, administrator, member, or empty
	password TEXT NOT NULL, -- in PHC format; empty: none
	epoch BIGINT NOT NULL, -- sessions of an older epoch have ended
	made BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	disabled BIGINT NOT NULL, -- 0 or 1
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX account_name ON account (site, name_key);
CREATE UNIQUE INDEX account_member ON account (site, member) WHERE member <> '';

-- A role at a machine that a person gave.
CREATE TABLE account_machine (
	site TEXT NOT NULL,
	account TEXT NOT NULL,
	machine TEXT NOT NULL,
	role TEXT NOT NULL,
	PRIMARY KEY (site, account, machine)
);

-- A browser. hash is SHA-256 of the cookie.
CREATE TABLE account_session (
	site TEXT NOT NULL,
	hash BLOB NOT NULL,
	id TEXT NOT NULL,
	account TEXT NOT NULL, -- empty: a visitor who asked to sign in
	epoch BIGINT NOT NULL,
	data BLOB NOT NULL,
	made BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	idle BIGINT NOT NULL, -- the session ends so many milliseconds after seen
	expires BIGINT NOT NULL,
	address TEXT NOT NULL,
	agent TEXT NOT NULL,
	PRIMARY KEY (site, hash)
);
CREATE INDEX account_session_account ON account_session (site, account, made);
CREATE INDEX account_session_expires ON account_session (site, expires);

-- An API token. hash is SHA-256 of its text.
CREATE TABLE account_token (
	site TEXT NOT NULL,
	id TEXT NOT NULL,
	account TEXT NOT NULL,
	name TEXT NOT NULL,
	scopes TEXT NOT NULL, -- acts, separated by spaces
	hash BLOB NOT NULL,
	made BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	used BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX account_token_hash ON account_token (site, hash);
CREATE INDEX account_token_account ON account_token (site, account);

-- A code that works once: an e-mail link, a printed code, a reset. hash is SHA-256 of the code.
CREATE TABLE account_code (
	site TEXT NOT NULL,
	hash BLOB NOT NULL,
	kind TEXT NOT NULL, -- link, printed, reset
	account TEXT NOT NULL, -- of a reset
	member TEXT NOT NULL, -- of a printed code
	address TEXT NOT NULL, -- of a link
	browser BLOB NOT NULL, -- of a link: SHA-256 of the secret in the session that asked
	expires BIGINT NOT NULL,
	PRIMARY KEY (site, hash)
);
CREATE INDEX account_code_expires ON account_code (site, expires);

-- A limit that was used. A row whose until has passed says the same as no row.
CREATE TABLE account_throttle (
	site TEXT NOT NULL,
	name TEXT NOT NULL, -- what is limited, and a hash of whom
	until BIGINT NOT NULL, -- when the bucket is full again
	PRIMARY KEY (site, name)
);
CREATE INDEX account_throttle_until ON account_throttle (site, until);

-- From where an account signed in: such an address has a limit of its own, and others cannot use it up.
CREATE TABLE account_known (
	site TEXT NOT NULL,
	account TEXT NOT NULL,
	address TEXT NOT NULL, -- a hash
	seen BIGINT NOT NULL,
	PRIMARY KEY (site, account, address)
);

-- The outbox: mail that is still to be sent.
CREATE TABLE account_mail (
	site TEXT NOT NULL,
	id TEXT NOT NULL,
	recipient TEXT NOT NULL,
	subject TEXT NOT NULL,
	body TEXT NOT NULL,
	tries BIGINT NOT NULL,
	next BIGINT NOT NULL, -- not before
	expires BIGINT NOT NULL, -- useless from then on
	PRIMARY KEY (site, id)
);
CREATE INDEX account_mail_next ON account_mail (site, next);

-- +goose Down
DROP TABLE account_mail;
DROP TABLE account_known;
DROP TABLE account_throttle;
DROP TABLE account_code;
DROP TABLE account_token;
DROP TABLE account_session;
DROP TABLE account_machine;
DROP TABLE account;
