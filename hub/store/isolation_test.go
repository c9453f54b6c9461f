package store_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

// The test runs each reading statement of the hub for a site without rows, with the ids of another site. Each
// statement must return the same as with an empty database.
func TestReadsOfTheHubReturnNothingOfOtherSites(t *testing.T) {
	if testing.Short() {
		t.Skip("short: writes until a database has grown")
	}
	empty, full := openStore(t), openStore(t)
	insertRows(t, full.Path())
	read, own := 0, 0
	for _, s := range statements(t, "..") {
		if !regexp.MustCompile(`(?i)^\s*(SELECT|WITH)\b`).MatchString(s.text) {
			continue
		}
		read++
		for _, args := range arguments(s.text) {
			want, got := rowsOf(t, empty, "elsewhere", s, args), rowsOf(t, full, "elsewhere", s, args)
			if got != want {
				t.Errorf("%s: with %v another site reads\n%s\nwant\n%s\n\t%s", s.at, args, got, want, s.text)
			}
			if rowsOf(t, full, "biklab", s, args) != want {
				own++
			}
		}
	}
	// Check that the rows and arguments match the conditions of some statements: if no statement found a row, the
	// test would prove nothing.
	if read < 5 || own < read/2 {
		t.Errorf("of %d statements only %d combinations of ids read something of the own site", read, own)
	}
}

func openStore(t *testing.T) *store.DB {
	t.Helper()
	db := storetest.Open(t)
	return db
}

// insertRows inserts a row of the site biklab into each table: each text is "x", each number is 1.
func insertRows(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=foreign_keys(0)&_pragma=ignore_check_constraints(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT m.name, p.name, p.type FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS p
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%' ORDER BY m.name, p.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, values := map[string][]string{}, map[string][]string{}
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			t.Fatal(err)
		}
		value := "'x'"
		switch {
		case column == "site":
			value = "'biklab'"
		case strings.Contains(strings.ToUpper(kind), "INT"):
			value = "1"
		case strings.Contains(strings.ToUpper(kind), "BLOB"):
			value = "CAST('x' AS BLOB)"
		}
		columns[table], values[table] = append(columns[table], column), append(values[table], value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for table := range columns {
		text := "INSERT INTO " + table + " (" + strings.Join(
			columns[table],
			", ",
		) + ") VALUES (" + strings.Join(
			values[table],
			", ",
		) + ")"
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}

// arguments returns lists of values for the parameters $2, $3, … A value is a text, a number below, at or above 1, or
// null. Some of the lists repeat one value, and the other lists contain different values.
func arguments(text string) (out [][]any) {
	n := 1
	for _, m := range regexp.MustCompile(`\$([0-9]+)`).FindAllStringSubmatch(text, -1) {
		i, _ := strconv.Atoi(m[1])
		n = max(n, i)
	}
	values := []any{"x", int64(1), int64(0), int64(1000), "", []byte("x")}
	for i := range values {
		same := make([]any, n-1)
		for j := range same {
			same[j] = values[i]
		}
		out = append(out, same)
	}
	// Add every combination of the matching text and the matching number, up to 2^4 combinations.
	for mask := range 1 << min(n-1, 4) {
		mixed := make([]any, n-1)
		for j := range mixed {
			if mixed[j] = "x"; mask>>(j%4)&1 == 1 {
				mixed[j] = int64(1)
			}
		}
		out = append(out, mixed)
	}
	return out
}

func rowsOf(t *testing.T, db *store.DB, site policy.SiteID, s statement, args []any) string {
	t.Helper()
	rows, err := db.Site(site).Query(t.Context(), s.text, args...)
	if err != nil {
		if strings.Contains(err.Error(), "mismatch") { // skip arguments that SQLite refuses, for example LIMIT 'x'
			return "mismatch"
		}
		t.Fatalf("%s: %v\n\t%s", s.at, err, s.text)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rows.Next() {
		row := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, row...)
	}
	if rows.Err() != nil { // both databases must return the same error, for example for a text in place of a number
		return "error"
	}
	return out.String()
}
