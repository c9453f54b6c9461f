package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"time"

	"portillon/daemon"
	"portillon/daemon/journal"
)

// journalResult is the result of «journal verify» as JSON.
type journalResult struct {
	Verdict string   `json:"verdict"`           // valid or invalid
	Reasons []reason `json:"reasons"`           // reason why the journal is invalid; empty for a valid journal
	Journal string   `json:"journal,omitempty"` // its name, portillon/SITE/MACHINE
	Records uint64   `json:"records"`           // number of valid records, counted from the first
	// number of records whose content was erased; the hashes of these records remain
	Erased uint64 `json:"erased"`
	Lost   uint64 `json:"lost,omitempty"` // number of damaged records of which the hub has an intact copy
	Last   string `json:"last,omitempty"` // time of the last valid record
	Root   string `json:"root,omitempty"` // root hash of the tree, which checkpoints contain

	differences []string // differences between the facts and the records
}

// openJournal opens a journal for reading, even while a daemon writes to the journal. If the file cannot be read, the
// exit code is 2 (wrong use); if the journal is damaged, the exit code is 1.
func openJournal(path string) (*journal.Journal, error) {
	j, err := journal.OpenReadOnly(path)
	if errors.Is(err, journal.ErrUnread) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, wrong("%w", err).
			hinted("a machine's journal is journal.db in the folder that its file names under data: sudo portillon " +
				"journal verify /var/lib/portillon/laser/journal.db")
	}
	return j, err
}

// journalVerify runs «journal verify», which reads a whole journal and compares every record with the tree. If the
// journal is damaged, the exit code is 1. The command also works while a daemon writes to the journal.
func journalVerify(ctx context.Context, w stdio, args []string) error {
	asJSON := false
	rest, err := parseFlags(
		w,
		"journal verify",
		args,
		1,
		func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print the verdict as JSON") },
	)
	if err != nil {
		return err
	}
	out, err := verifyJournal(ctx, rest[0])
	var f *failure
	if errors.As(err, &f) || ctx.Err() != nil {
		return err
	}
	out.Verdict, out.Reasons = "valid", []reason{}
	if err != nil {
		out.Verdict, out.Reasons = "invalid", []reason{{"damaged", err.Error()}}
	}
	for _, d := range out.differences {
		out.Verdict, out.Reasons = "invalid", append(out.Reasons, reason{"facts", d})
	}
	if !asJSON {
		printResult(w.out, out)
	} else if err := printJSON(w.out, out); err != nil {
		return err
	}
	if out.Verdict != "valid" {
		return errNo
	}
	return nil
}

// verifyJournal verifies a journal. An error of type *failure means that the journal could not be read; any other error
// means that the journal is damaged.
func verifyJournal(ctx context.Context, path string) (journalResult, error) {
	j, err := openJournal(path)
	if err != nil {
		return journalResult{}, err
	}
	defer j.Close()
	v, err := j.Verify(ctx)
	out := journalResult{Journal: j.Origin(), Records: v.Records, Erased: v.Erased, Lost: v.Lost}
	if !v.Last.IsZero() {
		out.Last = v.Last.Format(time.RFC3339)
	}
	if err != nil {
		return out, err
	}
	out.Root = v.Root.String()
	out.differences, err = compareFacts(ctx, j)
	return out, err
}

// compareFacts names each fact that contradicts the records, and each stored position that is beyond the last record.
func compareFacts(ctx context.Context, j *journal.Journal) ([]string, error) {
	var c daemon.Recount
	if err := j.Walk(ctx, c.Add, c.Gap); err != nil {
		return nil, err
	}
	facts, err := j.Facts("")
	if err != nil {
		return nil, err
	}
	out := c.Compare(facts)
	cursors, err := j.Cursors()
	for sink, seq := range cursors {
		if seq > j.Len() {
			out = append(out, fmt.Sprintf("the cursor of %s is at %d, and the journal has %d records", sink, seq, j.Len()))
		}
	}
	return out, err
}

// printResult prints the result for a person.
func printResult(w io.Writer, x journalResult) {
	fmt.Fprintln(w, x.Verdict)
	line := func(what, format string, a ...any) {
		fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{what}, a...)...)
	}
	for _, r := range x.Reasons {
		line("reason", "%s", r.Detail)
	}
	if x.Journal != "" {
		line("journal", "%s", x.Journal)
		if line("records", "%d whole, %d of them erased", x.Records, x.Erased); x.Lost > 0 {
			line("lost", "%d of them to damage: the hub holds them", x.Lost)
		}
	}
	if x.Last != "" {
		line("last", "%s", x.Last)
	}
	if x.Root != "" {
		line("root", "%s", x.Root)
	}
}

// journalExport runs «journal export», which prints each record as one line of JSON, in the form in which records are
// sent to the hub: {"salt": …, "record": …}. If the journal is damaged, the command prints the records that can be
// read, and the exit code is 1.
func journalExport(ctx context.Context, w stdio, args []string) error {
	var from uint64
	rest, err := parseFlags(
		w,
		"journal export",
		args,
		1,
		func(fs *flag.FlagSet) { fs.Uint64Var(&from, "from", 1, "the first record's number") },
	)
	if err != nil {
		return err
	}
	j, err := openJournal(rest[0])
	if err != nil {
		return err
	}
	defer j.Close()
	_, err = j.Verify(ctx)
	if err = errors.Join(err, j.Export(ctx, w.out, from)); err != nil {
		return (&failure{code: 1, err: err}).hinted("portillon journal verify %s says how far it is whole", rest[0])
	}
	return nil
}
