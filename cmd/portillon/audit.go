package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/audit"
)

// auditResult is the result of «audit verify» as JSON.
type auditResult struct {
	Verdict string   `json:"verdict"`       // valid or invalid
	Reasons []reason `json:"reasons"`       // reason why the log is invalid; empty for a valid log
	Log     string   `json:"log,omitempty"` // portillon-audit/<site>
	Entries uint64   `json:"entries"`       // number of entries that were read
	// number of entries whose text was erased on request; the hashes of these entries remain
	Erased uint64 `json:"erased"`
	Last   string `json:"last,omitempty"` // time of the last entry, RFC 3339
	Root   string `json:"root,omitempty"` // root hash of the log's tree, if it is valid
}

// auditVerify runs «audit verify», which checks that an exported audit log is exactly the log that the hub has signed.
// For an invalid log, the exit code is 1. If the text of an entry is erased on request, the entry's hash remains, so
// the log stays valid. The flag --key contains the hub's public key or the path of a file with the key.
func auditVerify(_ context.Context, w stdio, args []string) error {
	var keyText string
	asJSON := false
	rest, err := parseFlags(w, "audit verify", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&keyText, "key", "", "the public half of the hub's key, or a file that holds it")
		fs.BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	})
	if err != nil {
		return err
	}
	key, err := auditKey(keyText)
	if err != nil {
		return err
	}
	f, err := os.Open(rest[0])
	if err != nil {
		return wrong("%w", err).hinted("the file that the hub's page or GET /api/v1/audit/export gave")
	}
	defer f.Close()
	// Print the counts in both cases, because audit.Verify returns the counts of an invalid log too.
	v, err := audit.Verify(f, key)
	out := auditResult{Verdict: "valid", Reasons: []reason{}, Log: v.Origin, Entries: v.Entries, Erased: v.Erased}
	if !v.Last.IsZero() {
		out.Last = v.Last.Format(time.RFC3339)
	}
	if err != nil {
		out.Verdict, out.Reasons = "invalid", []reason{{"changed", err.Error()}}
	} else {
		out.Root = v.Root.String()
	}
	if asJSON {
		if err := printJSON(w.out, out); err != nil {
			return err
		}
	} else {
		printAudit(w, out)
	}
	if out.Verdict != "valid" {
		return errNo
	}
	return nil
}

// printAudit prints the result for a person.
func printAudit(w stdio, x auditResult) {
	fmt.Fprintln(w.out, x.Verdict)
	for _, r := range x.Reasons {
		fmt.Fprintf(w.out, "%-10s %s\n", "reason", plainLines(r.Detail))
	}
	if x.Log != "" {
		fmt.Fprintf(w.out, "%-10s %s\n", "log", x.Log)
	}
	fmt.Fprintf(w.out, "%-10s %d, %d of them erased\n", "entries", x.Entries, x.Erased)
	if x.Last != "" {
		fmt.Fprintf(w.out, "%-10s %s\n", "last", x.Last)
	}
	if x.Root != "" {
		fmt.Fprintf(w.out, "%-10s %s\n", "root", x.Root)
	}
}

// auditKey reads the public half of the hub's key. The argument text is the key itself, or the path of a file that
// contains the key.
func auditKey(text string) (note.Verifier, error) {
	if text == "" {
		return nil, wrong("audit verify: --key is missing").
			hinted("the line that keygen printed for the hub, as machines have it under mqtt: hub-key")
	}
	if b, err := os.ReadFile(text); err == nil {
		text = string(b)
	}
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		// The error does not quote the text, because the text may be the private half of a key.
		return nil, wrong("--key is neither a public key nor a file with one").
			hinted("one line that reads name+hash+key; not the private half")
	}
	return v, nil
}
