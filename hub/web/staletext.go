package web

import "portillon/hub/publish"

// staleText is what has changed in the policy since the version on which the user's text is based.
type staleText struct {
	Of    int64 // number of that version
	Lines []publish.DiffLine
}

// staleText compares a version with the text of the policy in force. If the version cannot be read, the result has no
// lines, because the page about the conflict must be shown in any case.
func (p *policyPages) staleText(q *request, of int64, now string) *staleText {
	out := &staleText{Of: of}
	v, err := p.policies.Version(ctxOf(q), q.actor, of)
	if err != nil {
		return out
	}
	out.Lines = publish.Diff(v.Text, now)
	return out
}

// maxDiffLines is the maximum number of lines of a difference on a page.
const maxDiffLines = 300

// Some returns the lines that the page shows.
func (s *staleText) Some() []publish.DiffLine { return s.Lines[:min(len(s.Lines), maxDiffLines)] }

// Rest returns the number of lines that the page does not show.
func (s *staleText) Rest() int { return max(0, len(s.Lines)-maxDiffLines) }
