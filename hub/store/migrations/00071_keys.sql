-- +goose Up
-- The change of the site's card key. The keys themselves are files. No row: it was never changed.
CREATE TABLE card_key (
	site      TEXT   NOT NULL PRIMARY KEY,
	version   BIGINT NOT NULL, -- grows with each step
	in_force  TEXT   NOT NULL, -- check value of the card key that bundles are built with
	before    TEXT   NOT NULL, -- of the one that machines hold beside it; empty: the change-over has ended
	began     BIGINT NOT NULL, -- this and all times: milliseconds since 1970
	ended     BIGINT NOT NULL, -- 0: not yet
	who       TEXT   NOT NULL, -- who began it
	reason    TEXT   NOT NULL
);

ALTER TABLE machine ADD COLUMN card_key TEXT NOT NULL DEFAULT '';  -- check value of the newest card key that the hub gave it
ALTER TABLE machine ADD COLUMN authority TEXT NOT NULL DEFAULT ''; -- fingerprint of the authority that it pins, since 00071

-- The keys by which a machine's records are verified, those of computers before among them. New records count by the
-- machine's key alone (machine.public), and not once it is revoked.
CREATE TABLE machine_key (
	site    TEXT   NOT NULL,
	machine TEXT   NOT NULL,
	public  TEXT   NOT NULL,
	since   BIGINT NOT NULL,
	until   BIGINT NOT NULL DEFAULT 0, -- replaced or revoked; 0: it is in force
	PRIMARY KEY (site, machine, public)
);

INSERT INTO machine_key (site, machine, public, since, until)
	SELECT site, machine, public, enrolled, revoked FROM machine WHERE public <> '' AND enrolled > 0;

-- What each machine last said of itself, so that a hub that starts again knows it.
CREATE TABLE machine_state (
	site    TEXT   NOT NULL,
	machine TEXT   NOT NULL,
	seen    BIGINT NOT NULL,
	state   TEXT   NOT NULL, -- JSON: wire.State; empty: it has said none
	trouble TEXT   NOT NULL, -- why its last records were refused; empty: they were not
	trouble_at    BIGINT NOT NULL,
	trouble_since BIGINT NOT NULL,
	PRIMARY KEY (site, machine)
);

-- +goose Down
DROP TABLE machine_state;
DROP TABLE machine_key;
ALTER TABLE machine DROP COLUMN authority;
ALTER TABLE machine DROP COLUMN card_key;
DROP TABLE card_key;
