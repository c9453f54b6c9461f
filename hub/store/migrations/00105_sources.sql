-- +goose Up
-- How the last run of each list of members went that the hub fetches from another program. Which lists there are stands
-- in hub.yaml; no list and no name of a member is stored here.
CREATE TABLE member_source (
	site    TEXT   NOT NULL,
	name    TEXT   NOT NULL, -- of the list, as in hub.yaml and member.source
	outcome TEXT   NOT NULL, -- applied, unchanged, waiting or failed
	why     TEXT   NOT NULL, -- the failure in words; empty: it did not fail
	ended   BIGINT NOT NULL, -- this and all times: milliseconds since 1970
	since   BIGINT NOT NULL, -- since when it waits, or fails, without a break
	day     TEXT   NOT NULL, -- day of the last nightly run at the site; empty: none yet
	added   BIGINT NOT NULL,
	changed BIGINT NOT NULL,
	gone    BIGINT NOT NULL,
	same    BIGINT NOT NULL,
	losing  BIGINT NOT NULL, -- members who lose a right at a machine
	PRIMARY KEY (site, name)
);

-- +goose Down
DROP TABLE member_source;
