package publish

import (
	"strconv"

	"portillon/hub/fault"
)

// Page chooses a part of a list.
type Page struct {
	After string // what the page before returned as next; empty: the first page
	Limit int    // 0: 50; at most 500
}

// The default and the bound of Page.Limit.
const (
	usualPage = 50
	maxPage   = 500
)

// limit is how many entries a page has.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return usualPage
	}
	return min(p.Limit, maxPage)
}

// number is After as a number; none where it is empty.
func (p Page) number(none int64) (int64, error) {
	if p.After == "" {
		return none, nil
	}
	n, err := strconv.ParseInt(p.After, 10, 64)
	if err != nil || n < 0 {
		return 0, &fault.Invalid{Faults: []fault.Field{{Field: "after", Given: clip(p.After), Wrong: "no cursor of this list",
			Right: "what the page before returned"}}}
	}
	return n, nil
}

// clip bounds what an error quotes.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
