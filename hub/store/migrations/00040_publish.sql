-- +goose Up
CREATE TABLE policies (
	site TEXT NOT NULL,
	number BIGINT NOT NULL, -- only grows
	text TEXT NOT NULL,
	comment TEXT NOT NULL,
	author TEXT NOT NULL,
	made BIGINT NOT NULL, -- milliseconds since 1970
	documents BLOB NOT NULL, -- the issuers' documents that are signed with the text
	signed BLOB NOT NULL, -- the signed document; empty: it waits for its signature
	signed_by TEXT NOT NULL, -- name of the key
	back_to BIGINT NOT NULL, -- the number whose text this is again; 0: none
	forced BIGINT NOT NULL, -- when it came into force, in milliseconds since 1970; 0: never
	PRIMARY KEY (site, number)
);
CREATE TABLE bundles (
	site TEXT NOT NULL,
	version BIGINT NOT NULL, -- only grows
	made BIGINT NOT NULL, -- milliseconds since 1970
	policy BIGINT NOT NULL,
	members BIGINT NOT NULL,
	changed TEXT NOT NULL, -- a JSON list: the names of the chunks that are new
	bytes BIGINT NOT NULL, -- of those
	warnings TEXT NOT NULL, -- a JSON list
	PRIMARY KEY (site, version)
);
CREATE TABLE bundle_floor (
	site TEXT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL -- the next bundle has a higher one
);

-- +goose Down
DROP TABLE bundle_floor;
DROP TABLE bundles;
DROP TABLE policies;
