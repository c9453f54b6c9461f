package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"portillon/policy"
)

// langFlag declares --lang. Without the flag --lang, the tool uses the environment's language.
func langFlag(fs *flag.FlagSet) *policy.Language {
	lang := environment()
	fs.Func(
		"lang",
		"fr or en; default: fr where LC_ALL, LC_MESSAGES or LANG says so or none is set, else en",
		func(s string) (err error) {
			lang, err = policy.ParseLanguage(s)
			return err
		},
	)
	return &lang
}

// environment returns the language of the terminal, from the first of LC_ALL, LC_MESSAGES and LANG that is set (POSIX,
// Base Definitions, section 8.2). For a locale of any other language than French, such as C or de_DE, the result is
// English.
func environment() policy.Language {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := os.Getenv(name); s != "" {
			if strings.HasPrefix(s, "fr") {
				return policy.French
			}
			return policy.English
		}
	}
	return policy.French
}

// say returns the phrase in the given language.
func say(l policy.Language, fr, en string) string {
	if l == policy.English {
		return en
	}
	return fr
}

// monthsInFrench contains the names of the months from January.
var monthsInFrench = [...]string{
	"janvier",
	"février",
	"mars",
	"avril",
	"mai",
	"juin",
	"juillet",
	"août",
	"septembre",
	"octobre",
	"novembre",
	"décembre",
}

// day returns a date in words, such as "1er mars 2026", in UTC.
func day(l policy.Language, t time.Time) string {
	t = t.UTC()
	if l == policy.English {
		return t.Format("2 January 2006")
	}
	first := ""
	if t.Day() == 1 {
		first = "er"
	}
	return fmt.Sprintf("%d%s %s %d", t.Day(), first, monthsInFrench[t.Month()-1], t.Year())
}

// plain makes a text from outside safe for a terminal. The result has one line, without control and formatting
// characters, which could move the cursor, change the window's title or hide text.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

// plainLines makes a text of several lines safe for a terminal like plain, but keeps the line breaks.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// spanFlag declares a flag for a duration in Go's format (12h) or in days (30d).
func spanFlag(fs *flag.FlagSet, into *time.Duration, name string, absent time.Duration, usage string) {
	*into = absent
	fs.Func(name, usage, func(s string) (err error) {
		*into, err = span(s)
		return err
	})
}

// span parses a duration of 0 or more, at most 36,500 days.
func span(s string) (time.Duration, error) {
	days, isDays := strings.CutSuffix(s, "d")
	if !isDays {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("duration %q is invalid, want for example 30d or 12h", s)
		}
		return d, nil
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 0 || n > 36500 {
		return 0, fmt.Errorf("duration %q is not a number of days, want for example 30d", s)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// endFlag reads a flag that contains a time, or a duration that begins at the time from.
func endFlag(name, given string, from time.Time) (time.Time, error) {
	if d, err := span(given); err == nil {
		return from.Add(d), nil
	}
	t, err := timeFlag(name, given, time.Time{})
	if err != nil {
		return t, wrong("%s: %q is neither a time nor a length of time", name, given).
			hinted("2028-01-01T00:00:00Z, or 365d after the beginning")
	}
	return t, nil
}

// missing returns one error that names all missing required flags, or nil.
func missing(hint string, needs ...need) error {
	var problems []string
	for _, n := range needs {
		if !n.given {
			problems = append(problems, n.flag+" is missing")
		}
	}
	if problems == nil {
		return nil
	}
	return wrong("%s", strings.Join(problems, ", ")).hinted("%s", hint)
}

// need is a required flag and its value.
type need struct {
	flag  string
	given bool
}

// writeOut writes a file that is not secret, and prints the file's name and size. An existing file is overwritten only
// with force. Without a path, writeOut prints the content.
func (w stdio) writeOut(path string, b []byte, force bool) error {
	if path == "" {
		_, err := w.out.Write(b)
		return err
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return wrong("%s exists already", path).hinted("--force writes over it")
	}
	return w.write(path, b)
}

// writeNewOut writes a file like writeOut, but never overwrites a file, because other people may already use the
// existing one.
func (w stdio) writeNewOut(path string, b []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return wrong("%s exists already", path).hinted("name another file, or move this one away first")
	}
	return w.write(path, b)
}

// write writes a file and prints the file's name and size.
func (w stdio) write(path string, b []byte) error {
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return wrong("%w", err)
	}
	fmt.Fprintf(w.out, "wrote %s (%d bytes)\n", path, len(b))
	return nil
}
