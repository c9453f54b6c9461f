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

// whole is what journal verify found, as JSON says it.
type whole struct {
	Verdict string   `json:"verdict"` // valid or invalid
	Reasons []reason `json:"reasons"`
	Journal string   `json:"journal,omitempty"` // whose it is
	Records uint64   `json:"records"`           // from the first on that are whole
	Erased  uint64   `json:"erased"`
	Lost    uint64   `json:"lost,omitempty"` // lost to damage; the hub holds them
	Last    string   `json:"last,omitempty"` // time of the last of them
	Root    string   `json:"root,omitempty"` // of the tree; a checkpoint signs it

	differences []string // between the facts and the records
}

// openJournal opens a journal for reading; a daemon may be writing to it. A file that could not be looked at is wrong
// use, a damaged one is not.
func openJournal(path string) (*journal.Journal, error) {
	j, err := journal.OpenReadOnly(path)
	if errors.Is(err, journal.ErrUnread) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, wrong("%w", err).
			hinted("a machine's journal is journal.db in the folder that its file names under data: sudo portillon " +
				"journal verify /var/lib/portillon/laser/journal.db")
	}
	return j, err
}

// journalVerify reads all of a journal, and compares every record with the tree.
func journalVerify(ctx context.Context, w stdio, args []string) error {
	asJSON := false
	rest, err := flags(
		w,
		"journal verify",
		args,
		1,
		func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print the verdict as JSON") },
	)
	if err != nil {
		return err
	}
	out, err := verified(ctx, rest[0])
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
		printWhole(w.out, out)
	} else if err := printJSON(w.out, out); err != nil {
		return err
	}
	if out.Verdict != "valid" {
		return errNo
	}
	return nil
}

func verified(ctx context.Context, path string) (whole, error) {
	j, err := openJournal(path)
	if err != nil {
		return whole{}, err
	}
	defer j.Close()
	v, err := j.Verify(ctx)
	out := whole{Journal: j.Origin(), Records: v.Records, Erased: v.Erased, Lost: v.Lost}
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

// compareFacts names each fact that says less than the records do, and each cursor past the end.
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

func printWhole(w io.Writer, x whole) {
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

// journalExport prints the records, one line of JSON each, as they travel: {"salt": …, "record": …}. Of a journal that
// is not whole it prints what is there, and says no.
func journalExport(ctx context.Context, w stdio, args []string) error {
	var from uint64
	rest, err := flags(
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
