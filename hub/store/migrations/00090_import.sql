-- +goose Up
-- The columns that an administrator assigned to other fields than the hub does, by the program that exported the list.
CREATE TABLE import_column (
	site    TEXT NOT NULL,
	program TEXT NOT NULL, -- galette, helloasso, …; empty: any other list
	header  TEXT NOT NULL, -- the column's name in the file
	field   TEXT NOT NULL, -- the field of the import, or - for none
	PRIMARY KEY (site, program, header)
);

-- +goose Down
DROP TABLE import_column;
