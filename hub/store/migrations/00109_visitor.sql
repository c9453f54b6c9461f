-- +goose Up
-- How a site lets in people with a badge of another lab. Without a row: the settings of package visitor.
CREATE TABLE visitor_settings (
	site    TEXT   NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	self    BIGINT NOT NULL, -- 1: visitors may bring their badge on their own phone
	days    BIGINT NOT NULL, -- longest visit in days
	keep    BIGINT NOT NULL  -- days from the end of a visit until the visitor's data are erased
);

-- A visit of a person with a badge of another lab. Once the person is a member, the row contains nothing that names the
-- person: name, address, file, origin, data and report are empty. Times are milliseconds since 1970; 0: not yet.
CREATE TABLE visitor (
	site            TEXT   NOT NULL,
	id              TEXT   NOT NULL,
	version         BIGINT NOT NULL,
	hash            BLOB   NOT NULL, -- SHA-256 of the key of the visitor's own page; empty: there is no such page
	made            BIGINT NOT NULL,
	name            TEXT   NOT NULL,
	language        TEXT   NOT NULL,
	address         TEXT   NOT NULL, -- stated e-mail address
	file            TEXT   NOT NULL, -- name of the badge's file
	origin          TEXT   NOT NULL, -- address of the badge on the web; empty: a file
	data            BLOB   NOT NULL, -- the badge
	report          TEXT   NOT NULL, -- JSON: what the hub says about the badge
	mailed          BIGINT NOT NULL, -- when a code was mailed to the address
	proof           TEXT   NOT NULL, -- mail, identity, or empty: nothing proves yet that the badge is this person's
	proved          BIGINT NOT NULL,
	proved_by       TEXT   NOT NULL, -- account that saw the identity; empty: nobody
	consent_version BIGINT NOT NULL,
	consent         BIGINT NOT NULL,
	member          TEXT   NOT NULL, -- empty: not let in yet
	until_day       TEXT   NOT NULL, -- last day of the visit
	erase_day       TEXT   NOT NULL, -- day on which the visitor's data are erased
	ended           BIGINT NOT NULL,
	PRIMARY KEY (site, id)
);
CREATE INDEX visitor_member ON visitor (site, member);

-- +goose Down
DROP TABLE visitor;
DROP TABLE visitor_settings;
