-- +goose Up
-- A page and an export of one member read the member's records of all kinds. Records about no member are not in the
-- index.
CREATE INDEX ledger_records_member ON ledger_records (site, journal, member, seq) WHERE member <> '';

-- +goose Down
DROP INDEX ledger_records_member;
