package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"portillon/daemon/journal"
)

// salvageResult is the result of «journal salvage» as JSON.
type salvageResult struct {
	Verdict string   `json:"verdict"` // valid if all records were read; invalid if data is lost
	Reasons []reason `json:"reasons"` // description of the lost data, which the new journal does not contain
	Journal string   `json:"journal"` // the journal's name
	To      string   `json:"to"`      // path of the new journal
	Read    uint64   `json:"read"`    // number of records that could be read and match their hash
	Records uint64   `json:"records"` // number of records in the new journal, including those without content
	Held    uint64   `json:"held"`    // number of records that the hub has, according to the journal
}

// journalSalvage runs «journal salvage», which copies the readable records of a damaged journal to a new journal.
// journal salvage does not change the damaged file. A daemon can use the new journal, because the new journal continues
// the same hash tree. For a record that only the hub has, the new journal contains the record's hash. If data is lost,
// the exit code is 1.
func journalSalvage(ctx context.Context, w stdio, args []string) error {
	asJSON, to, origin := false, "", ""
	rest, err := parseFlags(w, "journal salvage", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&to, "o", "", "the new journal's file")
		fs.StringVar(&origin, "journal", "",
			"the journal's name, portillon/SITE/MACHINE, where the damaged file no longer says it")
		fs.BoolVar(&asJSON, "json", false, "print the result as JSON")
	})
	if err != nil {
		return err
	}
	if to == "" {
		return wrong("journal salvage needs a file for the new journal").
			hinted("portillon journal salvage %[1]s -o %[1]s.salvaged", rest[0])
	}
	s, err := journal.Salvage(ctx, rest[0], to, origin, journal.HubCopy{})
	switch {
	case errors.Is(err, journal.ErrNothingLeft):
		return (&failure{code: 1, err: err}).hinted(
			"put back a copy, or move the file away to begin an empty journal: mv %[1]s %[1]s.damaged; rm -f %[1]s-wal "+
				"%[1]s-shm",
			rest[0],
		)
	case err != nil:
		return wrong("%w", err)
	}
	out := salvageResult{
		Verdict: "valid",
		Reasons: []reason{},
		Journal: s.Origin,
		To:      to,
		Read:    s.Read,
		Records: s.Records,
		Held:    s.Cursor,
	}
	for _, r := range lostOf(s) {
		out.Verdict, out.Reasons = "invalid", append(out.Reasons, r)
	}
	if asJSON {
		err = printJSON(w.out, out)
	} else {
		printSalvage(w, out)
	}
	if err == nil && out.Verdict != "valid" {
		err = errNo
	}
	return err
}

// lostOf returns a description of the lost data, which the new journal does not contain.
func lostOf(s journal.SalvageResult) (out []reason) {
	for _, x := range []struct {
		code, why string
		spans     []journal.Span
	}{
		{"lost", "cannot be read; the hub holds them, and hashes of later records cover them", s.Lost},
		{"unread", "cannot be read, and are not in the new journal", s.Unread},
		{"unproven", "can be read, but no hash covers them: they are only in the damaged file", s.Dropped},
	} {
		if len(x.spans) == 0 {
			continue
		}
		var names []string
		for _, span := range x.spans {
			names = append(names, span.String())
		}
		out = append(out, reason{x.code, fmt.Sprintf("records %s %s", strings.Join(names, ", "), x.why)})
	}
	if !s.Facts {
		out = append(out, reason{"facts", "some facts cannot be read; the daemon takes tags from the records at its start"})
	}
	return out
}

// printSalvage prints the result for a person.
func printSalvage(w stdio, x salvageResult) {
	fmt.Fprintf(w.out, "%-10s %s\n%-10s %d kept, %d read\n", "journal", x.Journal, "records", x.Records, x.Read)
	for _, r := range x.Reasons {
		fmt.Fprintf(w.out, "%-10s %s\n", r.Code, r.Detail)
	}
	fmt.Fprintf(w.out, "%-10s %s\n", "written", x.To)
}
