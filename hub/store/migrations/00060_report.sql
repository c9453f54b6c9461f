-- +goose Up
-- How far each journal is counted.
CREATE TABLE report_marks (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	generation TEXT NOT NULL,
	seq BIGINT NOT NULL, -- the last record that is counted
	PRIMARY KEY (site, machine, generation)
);
-- The time zone that days and weeks are counted in.
CREATE TABLE report_zone (
	site TEXT NOT NULL PRIMARY KEY,
	zone TEXT NOT NULL
);
CREATE TABLE report_uses (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	generation TEXT NOT NULL,
	seq BIGINT NOT NULL, -- of the session-start record
	session TEXT NOT NULL,
	member TEXT NOT NULL,
	role TEXT NOT NULL,
	began BIGINT NOT NULL, -- milliseconds since 1970
	seconds BIGINT NOT NULL,
	cause TEXT NOT NULL, -- why it ended
	running BIGINT NOT NULL, -- 1: it has no end yet
	untrusted BIGINT NOT NULL, -- 1: the clock was not trusted when it began
	PRIMARY KEY (site, machine, generation, seq)
);
CREATE INDEX report_uses_began ON report_uses (site, began, machine, generation, seq);
CREATE INDEX report_uses_machine ON report_uses (site, machine, began, generation, seq);
CREATE INDEX report_uses_running ON report_uses (site, machine, generation) WHERE running = 1;
-- Sessions that have ended, by the week in which they began; their seconds by the week in which they passed.
CREATE TABLE report_weeks (
	site TEXT NOT NULL,
	monday TEXT NOT NULL, -- 2026-11-23
	machine TEXT NOT NULL,
	sessions BIGINT NOT NULL,
	members BIGINT NOT NULL,
	seconds BIGINT NOT NULL,
	untrusted BIGINT NOT NULL, -- of the sessions
	PRIMARY KEY (site, monday, machine)
);
CREATE TABLE report_week_members (
	site TEXT NOT NULL,
	monday TEXT NOT NULL,
	machine TEXT NOT NULL,
	member TEXT NOT NULL,
	PRIMARY KEY (site, monday, machine, member)
);
CREATE TABLE report_refusals (
	site TEXT NOT NULL,
	day TEXT NOT NULL, -- 2026-11-23
	machine TEXT NOT NULL,
	reason TEXT NOT NULL,
	member TEXT NOT NULL, -- empty: the card is nobody's
	times BIGINT NOT NULL,
	untrusted BIGINT NOT NULL,
	PRIMARY KEY (site, day, machine, reason, member)
);
-- The same by month: a report of a year reads few rows.
CREATE TABLE report_refusal_months (
	site TEXT NOT NULL,
	month TEXT NOT NULL, -- 2026-11
	machine TEXT NOT NULL,
	reason TEXT NOT NULL,
	times BIGINT NOT NULL,
	untrusted BIGINT NOT NULL,
	members TEXT NOT NULL, -- those who were refused, with a space between
	PRIMARY KEY (site, month, machine, reason)
);

-- +goose Down
DROP TABLE report_refusal_months;
DROP TABLE report_refusals;
DROP TABLE report_week_members;
DROP TABLE report_weeks;
DROP TABLE report_uses;
DROP TABLE report_zone;
DROP TABLE report_marks;
