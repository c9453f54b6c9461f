package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The check reports each fault that would prevent the daemon's start, or make the machine refuse every card. The check
// itself creates no files.
func TestCheckReportsFaultsThatPreventTheDaemonsStart(t *testing.T) {
	t.Parallel() // mostly waits
	l := newLab(t, teamworkPolicy, teamworkMembers, map[string][]byte{"simple.json": fixture(t, "simple.json")})
	for name, x := range map[string]struct {
		change func(string) string
		want   string
	}{
		"as it is": {func(s string) string { return s }, "the file is sound"},
		"another machine": {func(s string) string { return strings.Replace(s, "machine: laser", "machine: lathe", 1) },
			`does not contain machine "lathe"`},
		"another site": {func(s string) string { return strings.Replace(s, "site: test", "site: other", 1) },
			"bundle: file:"},
		"no bundle there": {func(s string) string { return strings.Replace(s, "site.bundle", "none.bundle", 1) },
			"no such file"},
		"a file of no kind": {func(s string) string { return strings.Replace(s, "site.bundle", "card.key", 1) },
			"bundle: file:"},
	} {
		l.write("machine.yaml", []byte(x.change(l.config())))
		c := exec.Command(program(t, "portillond"), "-config", l.path("machine.yaml"), "-check")
		c.Env = append(os.Environ(), "LC_ALL=C")
		out, err := c.CombinedOutput()
		if !strings.Contains(string(out), x.want) || (err == nil) != (name == "as it is") {
			t.Errorf("%s: %v %s, want %q", name, err, out, x.want)
		}
	}
	l.write("machine.yaml", []byte(l.config()))
	for lang, want := range map[string]string{
		"fr": "le fichier est en ordre\nClés : une seule clé, « portillon-test », signe les règles d’accès et les paquets " +
			"d’accès",
		"en": "What Portillon does not do here:\n  - ",
		"de": `-lang: "de" is not a language`,
	} {
		args := []string{"-config", l.path("machine.yaml"), "-check", "-lang", lang}
		out, err := exec.Command(program(t, "portillond"), args...).CombinedOutput()
		if (err == nil) != (lang != "de") || !strings.Contains(string(out), want) {
			t.Errorf("-lang %s: %v %s, want %q", lang, err, out, want)
		}
	}
	if out, err := exec.Command(program(t, "portillond"), "-h").CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "-config") {
		t.Errorf("-h: %v %s", err, out)
	}
}

func TestFlagVersionPrintsTheDaemonsVersion(t *testing.T) {
	if out, err := exec.Command(program(t, "portillond"), "-version").CombinedOutput(); err != nil ||
		!strings.HasPrefix(string(out), "portillond 0.") {
		t.Errorf("%v %s", err, out)
	}
}
