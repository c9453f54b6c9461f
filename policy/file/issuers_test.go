package file

import (
	"fmt"
	"strings"
	"testing"
)

const twoIssuers = `issuers:
  lab: { keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]%s }
  club: { keys: [z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK] }
  other: { keys: [z6MkrvfzkMnvCroEUP2DVc9SHPE48CRsvHiVSusHioxTYu1x] }
`

// In a policy, only the issuer may sign its status lists, and the issuers that status-issuers names. In a bare trust
// file without status-issuers, every listed issuer may sign them.
func TestDefaultStatusIssuersDifferBetweenPoliciesAndTrustFiles(t *testing.T) {
	for _, c := range []struct{ head, more, want string }{
		{"portillon: 1\n", "", "lab [], club [], other []"},
		{"portillon: 1\n", ", status-issuers: [other]", "lab [other], club [], other []"},
		{"portillon: 1\n", ", status-issuers: [other, club]", "lab [other club], club [], other []"},
		{"portillon: 1\n", ", status-issuers: []", "lab [], club [], other []"},
		{"", "", "lab [club other], club [lab other], other [lab club]"},
		{"", ", status-issuers: []", "lab [], club [lab other], other [lab club]"},
		{"", ", status-issuers: [other]", "lab [other], club [lab other], other [lab club]"},
	} {
		all, err := ParseTrust("t", fmt.Appendf(nil, c.head+twoIssuers, c.more))
		if err != nil {
			t.Errorf("%q %q: %v", c.head, c.more, err)
			continue
		}
		var got []string
		for _, i := range all {
			got = append(got, fmt.Sprint(i.ID, " ", i.StatusIssuers))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%q %q: %s, want %s", c.head, c.more, s, c.want)
		}
	}
}

func TestInvalidStatusIssuersAreRefused(t *testing.T) {
	for more, want := range map[string]string{
		", status-issuers: [nobody]":       `t:2:85: issuers.lab.status-issuers[0]: unknown issuer "nobody"`,
		", status-issuers: [lab]":          "an issuer may always sign the lists of its own badges",
		", status-issuers: [other, other]": `the issuer "other" stands twice`,
		", status-issuers: other":          "must be a list",
		", status-issuers: [~]":            "an empty entry",
		", status-issuers:":                `"status-issuers" has no value`,
	} {
		_, err := ParseTrust("t", fmt.Appendf(nil, twoIssuers, more))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", more, err, want)
		}
	}
}

// The reader must refuse a did:web that leads to another host than the visible host, with its line.
func TestAMisleadingDidWebIsRefused(t *testing.T) {
	for did, ok := range map[string]bool{
		"did:web:lab.example":           true,
		"did:web:lab.example:badges:fr": true,
		"did:web:lab.example%3A8443":    true,
		"did:web:lab.example%3a8443:a":  true,
		"did:web:localhost":             true, "did:web:xn--bcher-kva.example": true,
		"did:web:":                    false,
		"did:web:evil.com%2F..":       false,
		"did:web:evil.com%2f..":       false,
		"did:web:evil.com:..":         false,
		"did:web:evil.com:a:.":        false,
		"did:web:evil.com::a":         false,
		"did:web:evil.com:":           false,
		"did:web:lab.example%3A":      false,
		"did:web:lab.example%3A0":     false,
		"did:web:lab.example%3A99999": false, "did:web:lab.example%3A80%2F..": false, "did:web:lab.example%40evil.com": false,
		"did:web:lab.example:a%2Fb":  false,
		"did:web:lab.example:%2e%2e": false,
		"did:web:lab.example#k":      false,
		"did:web:lab.example?x":      false,
		"did:web:lab.example/x":      false,
		"did:web:.lab.example":       false,
		"did:web:lab..example":       false,
		"did:web:lab.example:é":      false,
		"did:web:ɐɐɐ%3A1":            false,
		"did:web:ɐ%3a":               false,
		"did:web:lab.example%3":      false,
		"did:web:lab.example%":       false,
	} {
		for where, text := range map[string]string{
			"id":  "issuers:\n  lab:\n    id: %q\n    keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]\n",
			"key": "issuers:\n  lab:\n    keys: [%q]\n",
		} {
			_, err := ParseTrust("t", fmt.Appendf(nil, text, did))
			if (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "t:3:") {
				t.Errorf("%s as %s: %v", did, where, err)
			}
		}
	}
}

func FuzzWebDID(f *testing.F) {
	for _, s := range []string{"did:web:lab.example%3A8443:a", "did:web:evil.com%2F..", "did:web:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rest, _ := strings.CutPrefix(s, "did:web:")
		if !isWebDID(s) {
			return
		}
		for _, part := range strings.Split(rest, ":") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\\?#@ ") {
				t.Errorf("%q leads to another host than the visible host", s)
			}
		}
	})
}
