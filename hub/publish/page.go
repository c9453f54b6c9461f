package publish

import (
	"strconv"

	"portillon/hub/fault"
)

// Page selects a part of a list.
type Page struct {
	After string // cursor that the previous page returned as next; empty: the first page
	Limit int    // number of entries on a page, at most 500; 0: 50
}

// These are the default and the maximum of Page.Limit.
const (
	usualPage = 50
	maxPage   = 500
)

// limit returns the number of entries on a page, with the default and the maximum applied.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return usualPage
	}
	return min(p.Limit, maxPage)
}

// number returns After as a number, or none if After is empty.
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

// clip shortens a text for an error that quotes the text.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
