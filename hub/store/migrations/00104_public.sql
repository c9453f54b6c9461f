-- +goose Up
-- What the site shows to people who are not signed in. Without a row, the site shows nothing.
CREATE TABLE display_settings (
	site TEXT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	public BIGINT NOT NULL, -- 1: the site has a public status
	website TEXT NOT NULL,
	logo TEXT NOT NULL,
	email TEXT NOT NULL,
	address TEXT NOT NULL,
	coordinates TEXT NOT NULL -- latitude and longitude in degrees
);

-- A wall screen. hash is SHA-256 of its key. Times are milliseconds since 1970.
CREATE TABLE display_screen (
	site TEXT NOT NULL,
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	hash BLOB NOT NULL,
	made BIGINT NOT NULL,
	used BIGINT NOT NULL, -- 0: never
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX display_screen_hash ON display_screen (site, hash);

-- +goose Down
DROP TABLE display_screen;
DROP TABLE display_settings;
