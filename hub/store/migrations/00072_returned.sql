-- +goose Up
-- When a machine returned a bundle that is newer than any known here: the hub was restored from a backup.
ALTER TABLE bundle_floor ADD COLUMN noted BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bundle_floor DROP COLUMN noted;
