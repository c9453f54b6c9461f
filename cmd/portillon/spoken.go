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

// langFlag declares --lang. Its default is the environment's: English where that is what it speaks, and French
// otherwise.
func langFlag(fs *flag.FlagSet) *policy.Language {
	lang := environment()
	fs.Func("lang", "fr or en; default: as LC_ALL, LC_MESSAGES or LANG say, else fr", func(s string) (err error) {
		lang, err = policy.ParseLanguage(s)
		return err
	})
	return &lang
}

func environment() policy.Language {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := os.Getenv(name); s != "" {
			if strings.HasPrefix(s, "en") {
				return policy.English
			}
			return policy.French
		}
	}
	return policy.French
}

// say is the one of two phrases that the language asks for.
func say(l policy.Language, fr, en string) string {
	if l == policy.English {
		return en
	}
	return fr
}

var mois = [...]string{
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

// day is a date in words, in UTC.
func day(l policy.Language, t time.Time) string {
	t = t.UTC()
	if l == policy.English {
		return t.Format("2 January 2006")
	}
	first := ""
	if t.Day() == 1 {
		first = "er"
	}
	return fmt.Sprintf("%d%s %s %d", t.Day(), first, mois[t.Month()-1], t.Year())
}

// plain is a text from outside as a terminal may show it: on one line, and without what would steer the terminal.
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

// harmless is a text of several lines without what would steer the terminal.
func harmless(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// spanFlag declares a length of time: as Go writes them, or in days, as in 30d.
func spanFlag(fs *flag.FlagSet, into *time.Duration, name string, absent time.Duration, usage string) {
	*into = absent
	fs.Func(name, usage, func(s string) (err error) {
		*into, err = span(s)
		return err
	})
}

func span(s string) (time.Duration, error) {
	days, isDays := strings.CutSuffix(s, "d")
	if !isDays {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q is no length of time: 30d or 12h", s)
		}
		return d, nil
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 0 || n > 36500 {
		return 0, fmt.Errorf("%q is no number of days: 30d", s)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

// endFlag is a time, or a length of time after the beginning.
func endFlag(name, given string, from time.Time) (time.Time, error) {
	if d, err := span(given); err == nil {
		return from.Add(d), nil
	}
	t, err := timeFlag(name, given, time.Time{})
	if err != nil {
		return t, wrong("%s: %q is no time and no length of time", name, given).
			hinted("2028-01-01T00:00:00Z, or 365d after the beginning")
	}
	return t, nil
}

// missing says all at once which flags a verb lacks: pairs of a flag and whether it is there.
func missing(hint string, needs ...need) error {
	var said []string
	for _, n := range needs {
		if !n.given {
			said = append(said, n.flag+" is missing")
		}
	}
	if said == nil {
		return nil
	}
	return wrong("%s", strings.Join(said, ", ")).hinted("%s", hint)
}

// need is a flag that a verb cannot do without.
type need struct {
	flag  string
	given bool
}

// writeOut writes a file that is no secret, says so, and leaves what stands there alone unless forced. Without a name
// it prints.
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

// writeNewOut is writeOut of what is never written over, since somebody may rest on it.
func (w stdio) writeNewOut(path string, b []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return wrong("%s exists already", path).hinted("name another file, or move this one away first")
	}
	return w.write(path, b)
}

func (w stdio) write(path string, b []byte) error {
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return wrong("%w", err)
	}
	fmt.Fprintf(w.out, "wrote %s (%d bytes)\n", path, len(b))
	return nil
}
