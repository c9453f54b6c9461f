package api

import (
	"slices"

	"portillon/hub/directory"
	"portillon/hub/publish"
	"portillon/policy"
)

// langOf converts the language of the request to the language code of package fault.
func langOf(l policy.Language) string {
	if l == policy.English {
		return "en"
	}
	return "fr"
}

// translate translates sentences of services to the language of the request.
func (s *texts) translate(l policy.Language, sentences []string) []string {
	out := slices.Clone(sentences)
	for i := range out {
		out[i] = s.words.In(langOf(l), out[i])
	}
	return out
}

// translateFaults translates the faults of a policy.
func (s *texts) translateFaults(l policy.Language, faults []publish.Fault) []publish.Fault {
	out := slices.Clone(faults)
	for i := range out {
		out[i].Message, out[i].Hint = s.words.In(langOf(l), out[i].Message), s.words.In(langOf(l), out[i].Hint)
	}
	return out
}

// translatePreview translates the warnings of an import.
func (s *texts) translatePreview(l policy.Language, p directory.Preview) directory.Preview {
	p.Warnings = s.translate(l, p.Warnings)
	return p
}

// translateBadges translates the reasons why badges were rejected.
func (s *texts) translateBadges(l policy.Language, list []directory.Badge) []directory.Badge {
	out := slices.Clone(list)
	for i := range out {
		out[i].Refused = s.words.In(langOf(l), out[i].Refused)
	}
	return out
}

// translateBundle translates the warnings and the problem of a bundle.
func (s *texts) translateBundle(l policy.Language, b publish.Bundle) publish.Bundle {
	b.Warnings, b.Problem = s.translate(l, b.Warnings), s.words.In(langOf(l), b.Problem)
	return b
}
