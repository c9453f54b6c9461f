package store

import (
	"regexp"
	"strconv"
)

// tokens are quoted texts, comments and parameters. What is quoted holds no parameter.
var tokens = regexp.MustCompile(`'[^']*'|"[^"]*"|--|/\*|\?|\$[0-9]+`)

// unnamed writes the parameters of a statement that stand in it once as SQLite's «?». To SQLite $7 is a name, which it
// looks up in a list from its start each time that a value is bound: in a statement that inserts ten rows that is a
// tenth of the time. A «?» has the number after the highest before it (sqlite.org/lang_expr.html §3), so that the
// numbers stay as they are where the parameters first appear in their order; elsewhere the statement is left alone.
func unnamed(query string) string {
	times, highest := map[string]int{}, 0
	for _, token := range tokens.FindAllString(query, -1) {
		switch token[0] {
		case '\'', '"':
			continue
		case '$':
		default: // a comment, or a parameter of another kind
			return query
		}
		if times[token]++; times[token] > 1 {
			continue
		}
		if n, err := strconv.Atoi(token[1:]); err != nil || n != highest+1 || token[1] == '0' {
			return query
		}
		highest++
	}
	return tokens.ReplaceAllStringFunc(query, func(token string) string {
		if times[token] == 1 {
			return "?"
		}
		return token
	})
}
