package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
)

// fakeDaemon opens a socket that answers each request with the same line, as a daemon would.
func fakeDaemon(t *testing.T, line string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // not t.TempDir, whose path may exceed the 107 bytes of a socket's path
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done; os.RemoveAll(dir) })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			c.Write([]byte(line + "\n"))
			c.Close()
		}
	}()
	return path
}

// The panel uses the member's language, but the tool uses the language of the terminal.
func TestMachineVerbsAnswerInTheLanguageOfTheTerminal(t *testing.T) {
	socket := fakeDaemon(t, `{"ok":true,"fr":"Bonjour Tom","en":"Hello Tom"}`)
	for name, c := range map[string]struct{ lcAll, lang, flag, want string }{
		"nothing is set": {"", "", "", "Bonjour Tom\n"},
		"French":         {"", "fr_FR.UTF-8", "", "Bonjour Tom\n"},
		"English":        {"", "en_GB.UTF-8", "", "Hello Tom\n"},
		"LC_ALL counts":  {"en", "fr", "", "Hello Tom\n"},
		"--lang counts":  {"", "en", "fr", "Bonjour Tom\n"},
	} {
		t.Setenv("LC_ALL", c.lcAll)
		t.Setenv("LC_MESSAGES", "")
		t.Setenv("LANG", c.lang)
		args := []string{"machine", "tap", "--socket", socket, "62E3086CED"}
		if c.flag != "" {
			args = append(args, "--lang", c.flag)
		}
		var out, errs bytes.Buffer
		if code := run(args, stdio{nil, &out, &errs, nil}); code != 0 || out.String() != c.want {
			t.Errorf("%s: exit %d, %q, %q, want %q", name, code, out.String(), errs.String(), c.want)
		}
	}
	var out, errs bytes.Buffer
	args := []string{"machine", "tap", "--socket", socket, "62E3086CED", "--lang", "de"}
	if code := run(args, stdio{nil, &out, &errs, nil}); code != 2 {
		t.Errorf("--lang de: exit %d, want 2: %s", code, errs.String())
	}
}

func TestStatusPrintsTimesInTheSitesZone(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	var out bytes.Buffer
	since := time.Date(2026, 11, 23, 10, 0, 0, 0, zone)
	printStatus(&out, control.Status{Member: "m-020dc2", Role: "user", Since: since, Until: since.Add(2 * time.Hour)})
	for _, want := range []string{"since 10:00:00\n", "until        12:00:00\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwant %q", out.String(), want)
		}
	}
}
