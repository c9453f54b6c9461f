package packaging

import (
	"regexp"
	"strings"
	"testing"
)

// A second reload is dangerous, because systemd does not reset the watchdog while it reloads. On an idle Zero W, a
// reload takes 13.5 s (measured by a third party). Each run of a package script may reload systemd at most once, so the
// scripts suppress systemctl's own reloads (enable, disable, mask).
func TestPackageScriptsReloadSystemdAtMostOnce(t *testing.T) {
	reload := regexp.MustCompile(`(?m)^\s*systemctl daemon-(reload|reexec)\b`)
	quiet := regexp.MustCompile(`systemctl( --[a-z-]+)* (enable|disable|mask|unmask|preset)\b[^\n]*`)
	for name, most := range map[string]int{"prerm": 0, "postrm": 1, "postinst": 1} {
		text := read(t, "packaging/debian/"+name)
		branches := []string{text}
		if name == "postinst" {
			branches = strings.Split(text, ";;")
		}
		for _, b := range branches {
			if n := len(reload.FindAllString(b, -1)); n > most {
				t.Errorf("%s reloads systemd %d times in one run, want %d:\n%s", name, n, most, b)
			}
		}
		for _, call := range quiet.FindAllString(text, -1) {
			if !strings.Contains(call, "--no-reload") {
				t.Errorf("%s: %q reloads systemd once more: want --no-reload", name, call)
			}
		}
	}
}
