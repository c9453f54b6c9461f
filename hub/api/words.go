package api

import (
	"slices"

	"portillon/hub/directory"
	"portillon/hub/publish"
	"portillon/policy"
)

// langOf returns the language code that package fault uses.
func langOf(l policy.Language) string {
	if l == policy.English {
		return "en"
	}
	return "fr"
}

// said translates sentences of services to the language of the request.
func (s *texts) said(l policy.Language, sentences []string) []string {
	out := slices.Clone(sentences)
	for i := range out {
		out[i] = s.words.In(langOf(l), out[i])
	}
	return out
}

// saidFaults translates the faults of a policy.
func (s *texts) saidFaults(l policy.Language, faults []publish.Fault) []publish.Fault {
	out := slices.Clone(faults)
	for i := range out {
		out[i].Message, out[i].Hint = s.words.In(langOf(l), out[i].Message), s.words.In(langOf(l), out[i].Hint)
	}
	return out
}

// saidPreview translates the warnings of an import.
func (s *texts) saidPreview(l policy.Language, p directory.Preview) directory.Preview {
	p.Warnings = s.said(l, p.Warnings)
	return p
}

// saidBadges translates the reasons why badges were rejected.
func (s *texts) saidBadges(l policy.Language, list []directory.Badge) []directory.Badge {
	out := slices.Clone(list)
	for i := range out {
		out[i].Refused = s.words.In(langOf(l), out[i].Refused)
	}
	return out
}

// saidBundle translates the warnings and the problem of a bundle.
func (s *texts) saidBundle(l policy.Language, b publish.Bundle) publish.Bundle {
	b.Warnings, b.Problem = s.said(l, b.Warnings), s.words.In(langOf(l), b.Problem)
	return b
}
