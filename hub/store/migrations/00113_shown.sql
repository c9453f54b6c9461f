-- +goose Up
-- The public page of a badge, which its member switches on.
ALTER TABLE issue_badge ADD COLUMN shown BIGINT NOT NULL DEFAULT 0; -- 1: everybody may see the badge
ALTER TABLE issue_badge ADD COLUMN shown_name TEXT NOT NULL DEFAULT ''; -- name on the page, as the member chose it

-- +goose Down
ALTER TABLE issue_badge DROP COLUMN shown_name;
ALTER TABLE issue_badge DROP COLUMN shown;
