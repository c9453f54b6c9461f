package report

// Page is a part of a list: what follows After, at most Limit (0: 50).
type Page struct {
	After string
	Limit int
}
