-- +goose Up
-- The sessions of one member, for the member's own pages.
CREATE INDEX report_uses_member ON report_uses (site, member, began);
-- The members who have asked an administrator to erase their data.
CREATE TABLE erasure_request (
	site   TEXT   NOT NULL,
	member TEXT   NOT NULL,
	at     BIGINT NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (site, member)
);

-- +goose Down
DROP TABLE erasure_request;
DROP INDEX report_uses_member;
