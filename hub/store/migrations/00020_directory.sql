-- +goose Up
-- Every write of the directory adds one: an import's preview is applied only to the directory that it was made of.
CREATE TABLE directory_state (
	site       TEXT   NOT NULL PRIMARY KEY,
	generation BIGINT NOT NULL
);

CREATE TABLE member (
	site      TEXT   NOT NULL,
	id        TEXT   NOT NULL, -- the pseudonym that records carry
	version   BIGINT NOT NULL,
	place     BIGINT NOT NULL, -- order in members.yaml
	name      TEXT   NOT NULL,
	language  TEXT   NOT NULL, -- fr, en, or empty: the site's
	until_day TEXT   NOT NULL, -- 2027-09-30, or empty: no end
	blocked   BIGINT NOT NULL, -- 1: suspended by a person
	gone      BIGINT NOT NULL, -- 1: the last import from source did not list the member
	note      TEXT   NOT NULL,
	external  TEXT   NOT NULL,
	source    TEXT   NOT NULL,
	changed   BIGINT NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (site, id)
);
CREATE INDEX member_place ON member (site, place);

-- kind: email, subject, guardian, or badge-file (a file of badges/ that is this member's, where its recipient is shared).
CREATE TABLE member_value (
	site   TEXT   NOT NULL,
	member TEXT   NOT NULL,
	kind   TEXT   NOT NULL,
	place  BIGINT NOT NULL,
	value  TEXT   NOT NULL,
	PRIMARY KEY (site, member, kind, place)
);

CREATE TABLE card (
	site   TEXT   NOT NULL,
	id     TEXT   NOT NULL,
	member TEXT   NOT NULL,
	place  BIGINT NOT NULL,
	number TEXT   NOT NULL, -- in hexadecimal, or hmac: and 64 digits
	part   BIGINT NOT NULL, -- 1: number is a printed part of the card's number
	state  TEXT   NOT NULL,
	since  BIGINT NOT NULL, -- milliseconds since 1970; 0: not known
	note   TEXT   NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX card_number ON card (site, number);
CREATE INDEX card_member ON card (site, member, place);

CREATE TABLE badge (
	site        TEXT   NOT NULL,
	id          TEXT   NOT NULL, -- SHA-256 of the bytes
	member      TEXT   NOT NULL,
	place       BIGINT NOT NULL,
	file        TEXT   NOT NULL, -- badges/lea-laser.json
	name        TEXT   NOT NULL,
	issuer      TEXT   NOT NULL,
	achievement TEXT   NOT NULL,
	verdict     TEXT   NOT NULL,
	proved      BIGINT NOT NULL, -- 1: the signature, or the issuer's address, says that it is a badge; dates and status aside
	hosted_at   TEXT   NOT NULL, -- where the issuer says so, if no signature does; empty: a signature does
	standing    TEXT   NOT NULL, -- verified, revoked, unverified
	checked     BIGINT NOT NULL, -- when its status was read; 0: it has none, or it was never read
	recipient   TEXT   NOT NULL, -- JSON: subject and identifiers
	checks      TEXT   NOT NULL, -- JSON
	issued      BIGINT NOT NULL,
	expires     BIGINT NOT NULL, -- 0: no end
	origin      TEXT   NOT NULL,
	verified    BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX badge_named ON badge (site, file);
CREATE INDEX badge_member ON badge (site, member, place);

-- The bytes stand apart, so that lists of badges need not read them.
CREATE TABLE badge_data (
	site TEXT NOT NULL,
	id   TEXT NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (site, id)
);

CREATE TABLE status_list (
	site    TEXT   NOT NULL,
	url     TEXT   NOT NULL,
	file    TEXT   NOT NULL, -- status/lab.json
	data    BLOB   NOT NULL,
	fetched BIGINT NOT NULL,
	PRIMARY KEY (site, url)
);

-- What badges rest on, as it stood on the web: keys, profiles, hosted badges.
CREATE TABLE document (
	site    TEXT   NOT NULL,
	url     TEXT   NOT NULL,
	data    BLOB   NOT NULL, -- empty: the server says that it is gone
	fetched BIGINT NOT NULL,
	PRIMARY KEY (site, url)
);

-- Pseudonyms that are never given to anybody again: of erased and of merged members. Nothing here says who they were.
CREATE TABLE former_member (
	site    TEXT   NOT NULL,
	id      TEXT   NOT NULL,
	into_id TEXT   NOT NULL, -- the member that it was merged into; empty: erased
	at      BIGINT NOT NULL,
	removed TEXT   NOT NULL, -- JSON: how many rows of each kind were removed
	PRIMARY KEY (site, id)
);

-- +goose Down
DROP TABLE former_member;
DROP TABLE document;
DROP TABLE status_list;
DROP TABLE badge_data;
DROP TABLE badge;
DROP TABLE card;
DROP TABLE member_value;
DROP TABLE member;
DROP TABLE directory_state;
