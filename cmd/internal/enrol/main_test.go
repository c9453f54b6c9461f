package enrol

import (
	"bytes"
	"strings"
	"testing"
)

func TestCommandLineErrorsAreReported(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 2, "usage: portillond enrol https://"},
		{[]string{"https://hub.test:8443"}, 2, "usage:"},
		{[]string{"--hub", "hub.test", "--find"}, 2, "usage:"},
		{[]string{"--hub", "hub.test", "https://hub.test", "000"}, 2, "usage:"},
		{[]string{"https://hub.test:8443", "000-000", "--replace"}, 1,
			"portillond enrol: invalid code for a machine: 6 characters, want 27"},
		{[]string{"http://hub.test", "000-G40-R40-M30-E27-ZZZ-ZZZ-ZZZ-ZZW"}, 1, "hub address"},
		{[]string{"--lang", "de", "x", "y"}, 1, "not a language"},
		{[]string{"--hub", "http://x", "--root", t.TempDir()}, 1, "hub address"},
		{[]string{"--hub", "hub.test", "--root", t.TempDir()}, 1, "contains no enrolled machine"},
		{[]string{"-h"}, 0, "--replace"[1:]},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, &out, &errs, &pi{clock: &clock{}}, func(string) string { return "" })
		if code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%q: %d %q, want %d with %q", c.args, code, errs.String(), c.code, c.says)
		}
	}
}
