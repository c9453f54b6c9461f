-- +goose Up
-- Members who wait for a training at a machine. The row is removed when the member receives the badge after a training.
CREATE TABLE training_wait (
	site    TEXT   NOT NULL,
	machine TEXT   NOT NULL,
	badge   TEXT   NOT NULL, -- the badge's id in the policy
	member  TEXT   NOT NULL,
	since   BIGINT NOT NULL, -- milliseconds since 1970
	PRIMARY KEY (site, machine, badge, member)
);
CREATE INDEX training_wait_member ON training_wait (site, member);

-- +goose Down
DROP TABLE training_wait;
