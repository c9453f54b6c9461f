-- +goose Up
-- How far each journal is read, and what its sessions add up to.
CREATE TABLE maintenance_journals (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	generation TEXT NOT NULL,
	epoch BIGINT NOT NULL, -- position among the machine's journals
	seq BIGINT NOT NULL, -- the last record that is read
	began BIGINT NOT NULL, -- time of the first record with a trusted clock, in milliseconds since 1970; 0: none yet
	used BIGINT NOT NULL, -- seconds of use of all sessions that have ended
	session TEXT NOT NULL, -- id of the session that runs; empty: none
	session_began BIGINT NOT NULL, -- milliseconds since 1970; 0: the clock was not trusted
	session_counts BIGINT NOT NULL, -- 0: the session is maintenance, which is no use
	session_worked BIGINT NOT NULL, -- 1: an intervention was logged in the session
	PRIMARY KEY (site, machine, generation)
);
-- The records about maintenance: reports, interventions, attestations, tags, faults, starts of the program.
CREATE TABLE maintenance_events (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	generation TEXT NOT NULL,
	seq BIGINT NOT NULL,
	kind TEXT NOT NULL,
	at BIGINT NOT NULL, -- milliseconds since 1970
	untrusted BIGINT NOT NULL, -- 1: the clock was not trusted
	session TEXT NOT NULL,
	member TEXT NOT NULL,
	body TEXT NOT NULL, -- JSON, as the machine wrote it
	used BIGINT NOT NULL, -- seconds of use in this journal before the record
	PRIMARY KEY (site, machine, generation, seq)
);
-- Seconds of use, by the day in UTC on which the sessions began.
CREATE TABLE maintenance_days (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	day TEXT NOT NULL, -- 2026-11-23
	seconds BIGINT NOT NULL,
	PRIMARY KEY (site, machine, day)
);
-- What an administrator states about a machine that is older than its first record.
CREATE TABLE maintenance_initial (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	day TEXT NOT NULL, -- the hours are those at the beginning of this day in UTC
	hours BIGINT NOT NULL,
	PRIMARY KEY (site, machine)
);
-- Reports that a person closed at the hub.
CREATE TABLE maintenance_closed (
	site TEXT NOT NULL,
	machine TEXT NOT NULL,
	generation TEXT NOT NULL,
	seq BIGINT NOT NULL, -- of the report's record
	at BIGINT NOT NULL, -- milliseconds since 1970
	member TEXT NOT NULL, -- empty: the account has no member
	words TEXT NOT NULL,
	PRIMARY KEY (site, machine, generation, seq)
);

-- +goose Down
DROP TABLE maintenance_closed;
DROP TABLE maintenance_initial;
DROP TABLE maintenance_days;
DROP TABLE maintenance_events;
DROP TABLE maintenance_journals;
