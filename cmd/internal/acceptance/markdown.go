package acceptance

import (
	"fmt"
	"strings"

	"portillon/policy"
)

// Mark returns the HTML comment that marks a step on a page. A test compares the marks on the wiring page with the list
// of steps.
func Mark(id string) string { return "<!-- acceptance:" + id + " -->" }

// Markdown returns the list of steps in one language, as text for a Markdown page.
func Markdown(steps []Step, l policy.Language) string {
	not := t("Sinon", "If not")
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%d. %s **%s** (`%s`). %s → %s %s : %s\n", i+1, Mark(s.ID), s.Title.In(l), s.ID, s.Do.In(l),
			s.See.In(l), not.In(l), s.Means.In(l))
	}
	if l == policy.English {
		return strings.ReplaceAll(b.String(), " If not : ", " If not: ")
	}
	return b.String()
}
