package store

import (
	"database/sql"
	"path/filepath"
	"testing"
)

func TestParametersThatOccurOnceAreReplacedByQuestionMarks(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"SELECT x FROM t WHERE site = $1 AND a = $2", "SELECT x FROM t WHERE site = ? AND a = ?"},
		{"INSERT INTO t (site, a) VALUES ($1, $2), ($1, $3)", "INSERT INTO t (site, a) VALUES ($1, ?), ($1, ?)"},
		{"UPDATE t SET a = $3 WHERE site = $1 AND b = $2", "UPDATE t SET a = $3 WHERE site = $1 AND b = $2"}, // decreasing
		{"SELECT $1, $3", "SELECT $1, $3"}, // $2 is missing
		{"SELECT $1, '$2', $2", "SELECT ?, '$2', ?"},
		{`SELECT $1 AS "a$2", $2`, `SELECT ? AS "a$2", ?`},
		{"SELECT $1 -- it's $2\n, $2", "SELECT $1 -- it's $2\n, $2"},
		{"SELECT $1, ?", "SELECT $1, ?"},
		{"SELECT $01, $2", "SELECT $01, $2"},
		{"SELECT '' || $1, $2 || 'x'", "SELECT '' || ?, ? || 'x'"},
		{"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11", "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"},
	} {
		if got := withUnnamedParameters(c.query); got != c.want {
			t.Errorf("%s became %s, want %s", c.query, got, c.want)
		}
	}
}

// SQLite gives the parameters of the changed statement the same numbers as before.
func TestUnnamedParametersKeepTheirNumbers(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range []string{
		"SELECT $1 || $2 || $3 || $4 || $5 || $6 || $7 || $8 || $9 || $10 || $11",
		"SELECT $1 || $2 || $3 || $4 || $5 || $6 || $7 || $8 || $9 || $10 || $11 WHERE $1 = 'a' AND $4 = 'd' AND $11 = 'k'",
	} {
		var got string
		err := db.QueryRow(withUnnamedParameters(query), "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k").Scan(&got)
		if err != nil || got != "abcdefghijk" || withUnnamedParameters(query) == query {
			t.Errorf("%s: %q, %v", withUnnamedParameters(query), got, err)
		}
	}
}
