package packaging

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The polkit rule must allow pcscd's actions only to the daemon's user.
func TestPolkitRuleAllowsPcscdOnlyToTheDaemonsUser(t *testing.T) {
	rule := read(t, "systemd/polkit-1/60-portillon.rules")
	rule = regexp.MustCompile(`(?m)^//.*$`).ReplaceAllString(rule, "")
	actions := regexp.MustCompile(`action\.id == "([^"]+)"`).FindAllStringSubmatch(rule, -1)
	users := regexp.MustCompile(`subject\.user == "([^"]+)"`).FindAllStringSubmatch(rule, -1)
	if len(actions) != 2 || actions[0][1] != "org.debian.pcsc-lite.access_pcsc" ||
		actions[1][1] != "org.debian.pcsc-lite.access_card" {
		t.Errorf("actions %q", actions)
	}
	if unit := units(t)["portillond@.service"]; len(users) != 1 || users[0][1] != unit.one("User") {
		t.Errorf("users %q, the unit's is %s", users, unit.one("User"))
	}
	if strings.Count(rule, "polkit.Result.") != 1 || strings.Count(rule, "addRule") != 1 ||
		!strings.Contains(rule, ") &&\n        subject.user") {
		t.Errorf("more than one way to a result:\n%s", rule)
	}
}

// The remedies that -check and doctor print may name only files that this package installs and packages that it
// suggests.
func TestRemediesForPCSCReadersNameInstalledFilesAndSuggestedPackages(t *testing.T) {
	script, cures := read(t, "packaging/build-deb"), read(t, "cmd/internal/daemoncmd/pcsc.go")
	for _, file := range []string{
		"/usr/share/polkit-1/rules.d/60-portillon.rules", "/usr/lib/modprobe.d/portillon.conf",
	} {
		at := strings.LastIndexByte(file, '/')
		shipped := regexp.MustCompile(`put 644 ` + file[1:at] + ` systemd/[a-z0-9.-]+` + file[at:])
		if !strings.Contains(cures, file) || !shipped.MatchString(script) {
			t.Errorf("%s is not both shipped and named", file)
		}
	}
	for line := range strings.Lines(read(t, "packaging/debian/control")) {
		if list, ok := strings.CutPrefix(line, "Suggests: "); ok {
			for _, name := range []string{"pcscd", "libccid"} {
				if !slices.Contains(strings.Split(strings.TrimSpace(list), ", "), name) ||
					!strings.Contains(cures, name) {
					t.Errorf("%s is not both suggested and named", name)
				}
			}
		}
	}
	if !strings.Contains(read(t, "systemd/modprobe.d/portillon.conf"), "\nblacklist pn533_usb\n") {
		t.Error("pn533_usb is not kept away")
	}
}

// The unit must allow Unix sockets, and start after pcscd's socket.
func TestMachinesUnitCanConnectToPcscd(t *testing.T) {
	u := units(t)["portillond@.service"]
	if !slices.Contains(strings.Fields(u.one("RestrictAddressFamilies")), "AF_UNIX") ||
		!slices.Contains(u.get("After"), "pcscd.socket") {
		t.Errorf("RestrictAddressFamilies=%s After=%q", u.one("RestrictAddressFamilies"), u.get("After"))
	}
}
