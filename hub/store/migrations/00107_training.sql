-- +goose Up
-- Trainings at machines: a mentor opens a training, people join it, and the mentor awards a badge to them.
CREATE TABLE training (
	site          TEXT   NOT NULL,
	id            TEXT   NOT NULL,
	machine       TEXT   NOT NULL,
	badge         TEXT   NOT NULL, -- the badge's id in the policy
	leader        TEXT   NOT NULL, -- name of the account that opened the training; empty: erased
	leader_member TEXT   NOT NULL, -- pseudonym of the leader; empty: no member
	checks        TEXT   NOT NULL, -- JSON: the check list when the training was opened
	opened        BIGINT NOT NULL, -- this and all times: milliseconds since 1970
	closed        BIGINT NOT NULL DEFAULT 0, -- 0: nobody has closed the training
	awarded       BIGINT NOT NULL DEFAULT 0, -- 0: no badge was issued
	version       BIGINT NOT NULL DEFAULT 1,
	PRIMARY KEY (site, id)
);
CREATE INDEX training_opened ON training (site, machine, opened);

-- People whom the leader added to a training or took off its list, and people who received the badge. People who tapped
-- their card are read from the ledger.
CREATE TABLE training_person (
	site     TEXT   NOT NULL,
	training TEXT   NOT NULL,
	member   TEXT   NOT NULL,
	state    TEXT   NOT NULL, -- in, out, awarded
	at       BIGINT NOT NULL,
	PRIMARY KEY (site, training, member)
);
CREATE INDEX training_person_member ON training_person (site, member);

-- The check list of each badge, one line an item.
CREATE TABLE training_checks (
	site    TEXT   NOT NULL,
	badge   TEXT   NOT NULL,
	version BIGINT NOT NULL,
	items   TEXT   NOT NULL, -- JSON: a list of texts
	PRIMARY KEY (site, badge)
);

-- +goose Down
DROP TABLE training_checks;
DROP TABLE training_person;
DROP TABLE training;
