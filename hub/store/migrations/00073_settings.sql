-- +goose Up
-- What an administrator sets for the site while the hub runs. What needs a restart, or is a secret, stands in hub.yaml.
CREATE TABLE hub_settings (
	site TEXT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	name TEXT NOT NULL,
	language TEXT NOT NULL, -- fr or en
	contact TEXT NOT NULL, -- empty: none
	mail_links BIGINT NOT NULL -- 1: members may sign in by a link by e-mail
);

-- +goose Down
DROP TABLE hub_settings;
