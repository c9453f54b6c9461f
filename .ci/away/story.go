package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// dayFile is the page with the transcript of the first day. The page with this transcript is also part of the
// documentation.
const dayFile = "docs/first-day.md"

// step is one command in the transcript, for one of the two computers, with its expected output.
type step struct {
	place  string   // hub or pi
	line   string   // the command; empty if the step writes a file
	lineNo int      // number of the step's line in the transcript
	want   []string // lines of the expected answer, or of the file
	file   string   // name of the file to write on the hub's computer; empty if the step is a command
}

// parse reads the transcript and returns its steps. In a block ```console, a line "hub$ …" is a command on the hub, a
// line "pi$ …" is a command on the machine, and the following lines are the expected answer. In an answer, … within a
// line stands for any text, and a line that contains only … stands for any number of lines. The placeholder {word}
// stands for a word that differs between runs, but is the same everywhere in one run. "# exit 1" after a command
// means that it must fail; "&" after a command means that it keeps running. A block that begins with "```yaml name"
// is the content of the file with this name.
func parse(text string) (out []step) {
	kind := ""
	for i, line := range strings.Split(text, "\n") {
		prompt, rest, isPrompt := strings.Cut(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			kind = strings.TrimPrefix(line, "```")
			if _, name, ok := strings.Cut(kind, "yaml "); ok {
				kind, out = "file", append(out, step{place: "hub", file: name, lineNo: i + 1})
			}
		case kind == "file":
			out[len(out)-1].want = append(out[len(out)-1].want, line)
		case kind != "console":
		case isPrompt && (prompt == "hub" || prompt == "pi"):
			out = append(out, step{place: prompt, line: rest, lineNo: i + 1})
		case len(out) > 0 && strings.HasSuffix(out[len(out)-1].line, "\\"):
			out[len(out)-1].line += "\n" + line
		case len(out) > 0:
			out[len(out)-1].want = append(out[len(out)-1].want, line)
		}
	}
	return out
}

// transcriptRun is the state of one run of the transcript.
type transcriptRun struct {
	*world                   // the two computers
	words  map[string]string // the word that each placeholder {word} stands for in this run
	prefix map[string]string // for each computer, the lines cd … and NAME=value, which apply to all later commands
}

// story runs all steps of the transcript.
func story(ctx context.Context, w *world) (string, error) {
	text, err := os.ReadFile(dayFile)
	if err != nil {
		return "", err
	}
	list, err := os.ReadFile(".ci/away/testdata/membres.csv")
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, "hub/membres.csv"), list, 0o644)
	}
	if err != nil {
		return "", err
	}
	t := transcriptRun{w, map[string]string{"today": time.Now().UTC().Format(time.DateOnly)}, map[string]string{}}
	steps := parse(string(text))
	for _, s := range steps {
		if err := t.runStep(ctx, s); err != nil {
			return "", fmt.Errorf("%s:%d: %w", dayFile, s.lineNo, err)
		}
	}
	return fmt.Sprintf("%d commands and files of %s, from an empty folder to a hub restored elsewhere", len(steps),
		dayFile), nil
}

// setting matches a line that applies to all later commands on the same computer.
var setting = regexp.MustCompile(`^(cd|[A-Z]+=)`)

// runStep runs one step and compares its output with the answer in the transcript.
func (t *transcriptRun) runStep(ctx context.Context, s step) error {
	if s.file != "" {
		return os.WriteFile(filepath.Join(t.dir, "hub", s.file), []byte(t.fillWords(strings.Join(s.want, "\n")+"\n")), 0o644)
	}
	line := t.fillWords(s.line)
	if setting.MatchString(line) {
		t.prefix[s.place] += line + "\n"
		return nil
	}
	line, expected, no := strings.Cut(line, " # exit ")
	at := t.atHub
	if s.place == "pi" {
		at = t.atPi
	}
	if before, ok := strings.CutSuffix(line, " &"); ok {
		p, err := t.start(before, at(ctx, t.prefix[s.place]+"exec "+before))
		if err != nil {
			return err
		}
		_, err = await(ctx, before, func() (bool, error) { err := t.compare(s.want, p.output()); return err == nil, err })
		return err
	}
	// The command kill in the transcript ends the last started program with the given name.
	if name, ok := strings.CutPrefix(line, "kill "); ok {
		return t.kill(name)
	}
	// The machine and the hub react with a delay, so runStep repeats a command that changes nothing until the output is
	// as expected.
	_, err := await(ctx, line, func() (bool, error) {
		if strings.Contains(line, "machine tap") {
			time.Sleep(again) // the machine counts two presentations within this time as one tap
		}
		cmd := at(ctx, t.prefix[s.place]+line)
		b, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); no && fmt.Sprint(code) != expected || !no && err != nil {
			return !readOnlyCommand.MatchString(line), fmt.Errorf("exit code %d, want %q: %s", code, cmp.Or(expected, "0"), b)
		}
		return t.compareOnce(s, string(b))
	})
	return err
}

// kill ends the last started program whose name begins with the given name.
func (t *transcriptRun) kill(name string) error {
	for i := len(t.all) - 1; i >= 0; i-- {
		if p := t.all[i]; strings.HasPrefix(p.name, name) {
			return p.end()
		}
	}
	return fmt.Errorf("transcript kills program %q, which was not started", name)
}

// readOnlyCommand matches commands that change nothing, so that runStep may repeat them until their output is as
// expected.
var readOnlyCommand = regexp.MustCompile(
	`^portillon (machine (list|status|tap)|card taps|report|member (list|show)|policy show)`)

// compareOnce runs a command once and compares its output with the expected answer. The result is true if the
// comparison is final: either the output is as expected, or the command must not be repeated.
func (t *transcriptRun) compareOnce(s step, got string) (bool, error) {
	err := t.compare(s.want, got)
	if err != nil && !readOnlyCommand.MatchString(s.line) {
		return true, fmt.Errorf("command %s has the output\n%s\n%w", s.line, got, err)
	}
	return err == nil, err
}

// fillWords replaces each placeholder {word} in a text by the word that this run has stored for it.
func (t *transcriptRun) fillWords(s string) string {
	for name, word := range t.words {
		s = strings.ReplaceAll(s, "{"+name+"}", word)
	}
	return s
}

// blanks matches runs of spaces and tabs, which are compared like one space; word matches a placeholder {word} after
// quoting.
var (
	blanks = regexp.MustCompile(`[ \t]+`)
	word   = regexp.MustCompile(`\\\{([a-z]+)\\\}`)
)

// compare compares a command's output with the answer in the transcript, and stores the words that the placeholders
// stand for.
func (t *transcriptRun) compare(want []string, got string) error {
	// Convert the answer to a regular expression.
	pattern := "^"
	for _, line := range want {
		if line = strings.TrimSpace(blanks.ReplaceAllString(t.fillWords(line), " ")); line == "…" {
			pattern += `(?:.*\n)*`
			continue
		}
		line = strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
		pattern += word.ReplaceAllString(line, `(?P<$1>\S+)`) + "\n"
	}
	x, err := regexp.Compile(pattern + "$")
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "time=") { // lines of the program's log may come before the answer
			continue
		}
		b.WriteString(strings.TrimSpace(blanks.ReplaceAllString(line, " ")) + "\n")
	}
	m := x.FindStringSubmatch(b.String())
	if m == nil {
		return fmt.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), b.String())
	}
	for i, name := range x.SubexpNames() {
		if name != "" {
			t.words[name] = m[i]
		}
	}
	return nil
}
