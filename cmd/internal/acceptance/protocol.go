package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Protocol is the result of a finished run. A protocol's text names the person who answered, so the protocol stays on
// the machine.
type Protocol struct {
	Site, Machine string
	Wiring        string // SHA-256 of the machine.yaml, in hexadecimal
	Program       string // the version of portillon
	Computer      string // the model of the Pi, from its device tree
	Clock         string // state of the clock in the daemon's status: "trusted" or "untrusted"
	Began, Ended  time.Time
	By            string
	Results       []Result
}

// These constants limit the size of a protocol's text.
const (
	maxProtocol = 64 << 10
	maxResults  = 100
	maxText     = 300 // maximum number of bytes of a name or a reason
)

const title = "portillon acceptance protocol 1"

// Passed reports whether every step was passed, or skipped with a reason. A protocol without steps has not passed.
func (p Protocol) Passed() bool {
	done := 0
	for _, r := range p.Results {
		switch r.Verdict {
		case Passed:
			done++
		case Skipped:
		default:
			return false
		}
	}
	return done > 0
}

// result summarizes the protocol in one line. The line also names the skipped steps, for a person who reads only that
// line.
func (p Protocol) result() string {
	out := map[bool]string{true: "passed", false: "not passed"}[p.Passed()]
	if n := p.Count(Skipped); n > 0 {
		out += fmt.Sprintf(", %d skipped", n)
	}
	return out
}

// Count returns the number of steps that ended with the verdict v.
func (p Protocol) Count(v Verdict) (n int) {
	for _, r := range p.Results {
		if r.Verdict == v {
			n++
		}
	}
	return n
}

// Text returns the text that is signed: a line for each fact, then a line for each step.
func (p Protocol) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, title)
	for _, f := range p.fields() {
		fmt.Fprintf(&b, "%s: %s\n", f.name, OneLine(*f.is))
	}
	fmt.Fprintf(&b, "began: %s\nended: %s\n", stamp(p.Began), stamp(p.Ended))
	fmt.Fprintf(&b, "result: %s\n", p.result())
	for _, r := range p.Results {
		fmt.Fprintf(&b, "step: %s | %s | %s | %s | %s\n", cell(r.Step), cell(string(r.Verdict)), stamp(r.At),
			cell(r.By), cell(r.Why))
	}
	return b.String()
}

type field struct {
	name string
	is   *string
}

func (p *Protocol) fields() []field {
	return []field{{"site", &p.Site}, {"machine", &p.Machine}, {"wiring sha256", &p.Wiring}, {"program",
		&p.Program}, {"computer", &p.Computer},
		{"clock", &p.Clock}, {"by", &p.By}}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// cell replaces "|" in a text, because "|" would end the table column.
func cell(s string) string { return strings.ReplaceAll(OneLine(s), "|", "/") }

// OneLine returns a text on one line, without control characters, of at most maxText bytes. OneLine makes a typed text
// safe for a file and for terminals.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r) && r != '\t' &&
			r != '\n', unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	if s = strings.TrimSpace(s); len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return strings.TrimSpace(s)
}

// Sign signs the protocol with the machine's key.
func (p Protocol) Sign(s note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: p.Text()}, s)
}

// Open verifies the signature and reads the protocol.
func Open(data []byte, keys note.Verifiers) (Protocol, error) {
	if len(data) > maxProtocol {
		return Protocol{}, fmt.Errorf("protocol has %d bytes, want at most %d", len(data), maxProtocol)
	}
	n, err := note.Open(data, keys)
	if err != nil {
		return Protocol{}, fmt.Errorf("protocol is not signed by this machine’s key: %w", err)
	}
	return Parse(n.Text)
}

// Parse reads a protocol's text. Parse rejects every text that differs from the output of Text.
func Parse(text string) (Protocol, error) {
	var p Protocol
	if len(text) > maxProtocol {
		return p, fmt.Errorf("text of the protocol has %d bytes, want at most %d", len(text), maxProtocol)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	fields := p.fields()
	if len(lines) < len(fields)+4 || lines[0] != title {
		return p, fmt.Errorf("file is not an acceptance protocol, want a file that begins with the line %q", title)
	}
	for i, f := range fields {
		value, ok := strings.CutPrefix(lines[1+i], f.name+": ")
		if !ok {
			return p, fmt.Errorf("line %d of the protocol is %.40q, want %s", 2+i, lines[1+i], f.name)
		}
		*f.is = value
	}
	rest := lines[1+len(fields):]
	began, ok1 := strings.CutPrefix(rest[0], "began: ")
	ended, ok2 := strings.CutPrefix(rest[1], "ended: ")
	var err1, err2 error
	p.Began, err1 = time.Parse(time.RFC3339, began)
	p.Ended, err2 = time.Parse(time.RFC3339, ended)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return p, errors.New("protocol has an unreadable time, want «began: » and «ended: » with times in RFC 3339")
	}
	if rest = rest[3:]; len(rest) > maxResults {
		return p, fmt.Errorf("protocol has %d steps, want at most %d", len(rest), maxResults)
	}
	for _, line := range rest {
		r, err := parseResult(line)
		if err != nil {
			return p, err
		}
		p.Results = append(p.Results, r)
	}
	if p.Text() != text { // the comparison also checks the result line, which depends on the steps
		return p, errors.New("text of the protocol differs from the form that portillon writes")
	}
	return p, nil
}

func parseResult(line string) (Result, error) {
	rest, ok := strings.CutPrefix(line, "step: ")
	cells := strings.Split(rest, " | ")
	if !ok || len(cells) != 5 {
		return Result{}, fmt.Errorf("line %.60q is not a step of a protocol, want step: ID | VERDICT | TIME | BY | WHY", line)
	}
	at, err := time.Parse(time.RFC3339, cells[2])
	v := Verdict(cells[1])
	if err != nil || !slices.Contains([]Verdict{Passed, Failed, Skipped}, v) {
		return Result{}, fmt.Errorf("step %.60q of the protocol has an unknown verdict or an unreadable time", line)
	}
	return Result{Step: cells[0], Verdict: v, At: at, By: cells[3], Why: cells[4]}, nil
}

// Folder returns the folder of a machine's protocols, inside the machine's data folder.
func Folder(data string) string { return filepath.Join(data, "acceptance") }

// maxFiles is the maximum number of protocols that Last reads, beginning with the newest.
const maxFiles = 50

// fileTime is the format of a protocol's file name. If the names are sorted as text, they are in the order of the
// tests.
const fileTime = "2006-01-02T150405Z"

// File returns the path under which the caller stores the protocol of a test that has just ended. If the folder already
// has a file with a later time, because the clock was ahead, File returns a name that sorts after the name of that
// file. Without this rule, Last would never find the new protocol.
func File(folder string, now time.Time) string {
	now = now.UTC().Truncate(time.Second)
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".txt")
		if at, err := time.Parse(fileTime, name); ok && err == nil && !now.After(at) {
			now = at.Add(time.Second)
		}
	}
	return filepath.Join(folder, now.Format(fileTime)+".txt")
}

// Last returns the newest protocol that the machine's key has signed, whether the test passed or failed. If the newest
// test failed, Last returns that test, even if an earlier test passed. Without a signed protocol Last returns
// fs.ErrNotExist.
func Last(folder string, keys note.Verifiers) (Protocol, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return Protocol{}, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".txt") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // a file's name begins with the date, so the newest name comes last
	slices.Reverse(names)
	for _, name := range names[:min(len(names), maxFiles)] {
		if p, err := Read(filepath.Join(folder, name), keys); err == nil {
			return p, nil
		}
	}
	return Protocol{}, fmt.Errorf("folder %s contains no protocol signed by this machine’s key: %w",
		folder, os.ErrNotExist)
}

// Read opens the protocol in a file and verifies its signature.
func Read(path string, keys note.Verifiers) (Protocol, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Protocol{}, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxProtocol {
		return Protocol{}, fmt.Errorf("file %s is not a protocol, want a regular file of at most %d bytes", path, maxProtocol)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Protocol{}, err
	}
	return Open(b, keys)
}
