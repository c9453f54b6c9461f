-- +goose Up
CREATE TABLE site (
	site TEXT NOT NULL PRIMARY KEY,
	made BIGINT NOT NULL -- milliseconds since 1970
);

-- +goose Down
DROP TABLE site;
