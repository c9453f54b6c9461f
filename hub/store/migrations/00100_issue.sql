-- +goose Up
-- The texts of a badge class that the policy does not have. No row: the hub writes a sentence from the policy.
CREATE TABLE issue_class (
	site        TEXT   NOT NULL,
	badge       TEXT   NOT NULL, -- the badge's id in the policy
	version     BIGINT NOT NULL,
	description TEXT   NOT NULL, -- empty: the badge's name
	criteria    TEXT   NOT NULL,
	alignments  TEXT   NOT NULL, -- JSON: a list of name and url
	PRIMARY KEY (site, badge)
);

-- The badges that the hub issued. A row stays when the badge is revoked or the member is erased, so that no other badge
-- gets its entry in the status list.
CREATE TABLE issue_badge (
	site           TEXT   NOT NULL,
	id             TEXT   NOT NULL,
	badge          TEXT   NOT NULL,
	member         TEXT   NOT NULL, -- a pseudonym; empty: erased
	credential     TEXT   NOT NULL, -- SHA-256 of data; empty: erased
	data           BLOB   NOT NULL, -- the signed badge; empty: erased
	decided_by     TEXT   NOT NULL,
	decided_member TEXT   NOT NULL, -- the pseudonym of who decided, if it is a member
	why            TEXT   NOT NULL,
	evidence       TEXT   NOT NULL, -- JSON: text and urls
	issued         BIGINT NOT NULL, -- this and all times: milliseconds since 1970
	expires        BIGINT NOT NULL, -- 0: no end
	list           BIGINT NOT NULL, -- number of the status list
	entry          BIGINT NOT NULL, -- index in the list
	revoked        BIGINT NOT NULL DEFAULT 0, -- 0: it is not
	revoked_by     TEXT   NOT NULL DEFAULT '',
	revoked_member TEXT   NOT NULL DEFAULT '',
	reason         TEXT   NOT NULL DEFAULT '',
	undone         BIGINT NOT NULL DEFAULT 0, -- 1: revoked within the hour, as if it had not been issued
	PRIMARY KEY (site, id)
);
CREATE UNIQUE INDEX issue_badge_entry ON issue_badge (site, list, entry);
CREATE INDEX issue_badge_issued ON issue_badge (site, issued, id);
CREATE INDEX issue_badge_member ON issue_badge (site, member);

-- The signed status lists, as the hub serves them.
CREATE TABLE issue_list (
	site    TEXT   NOT NULL,
	number  BIGINT NOT NULL,
	version BIGINT NOT NULL, -- grows with each signature
	issuer  TEXT   NOT NULL, -- id of the issuer of the list and its badges
	data    BLOB   NOT NULL,
	signed  BIGINT NOT NULL,
	PRIMARY KEY (site, number)
);

-- +goose Down
DROP TABLE issue_list;
DROP TABLE issue_badge;
DROP TABLE issue_class;
