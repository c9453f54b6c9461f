package openbadge

import (
	"strings"
	"testing"
)

func TestRevocationListsAreReadStrictly(t *testing.T) {
	const head = `{"id":"https://lab.example/revoked/1","revokedCredential":`
	for in, want := range map[string]string{
		head + `[]}`:             "",
		head + `{"id":"urn:a"}}`: "urn:a",
		head + `[{"id":"urn:a"},{"id":"urn:b","revoked":false},{"id":"urn:c","revoked":true,"revocationReason":"x"},{"id":"urn:d","revoked":null}]}`: "urn:a urn:c urn:d",
		head + `["urn:a"]}`:                                    "!",
		head + `[{"revoked":true}]}`:                           "!",
		head + `[{"id":"urn:a","revoked":"false"}]}`:           "!",
		head + `[{"id":"urn:a"},{"id":"urn:b","id":"urn:c"}]}`: "!",
		head + `null}`:                                         "!",
		`{"id":"https://lab.example/revoked/1"}`:               "!",
		`{"revokedCredential":[]}`:                             "!",
		`{"ID":"x","revokedcredential":[]}`:                    "!",
		`<html>`:                                               "!",
		``:                                                     "!",
	} {
		l, err := ParseRevocationList([]byte(in))
		got := "!"
		if err == nil {
			var ids []string
			for _, id := range []string{"urn:a", "urn:b", "urn:c", "urn:d", ""} {
				if l.Revoked(id) {
					ids = append(ids, id)
				}
			}
			got = strings.Join(ids, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q (%v)", in, got, want, err)
		}
	}
}
