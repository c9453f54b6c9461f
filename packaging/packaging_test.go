// Package packaging contains the sources of the Debian package: build-deb, check, the package's scripts and the manual.
// The tests strictly parse every file that the package installs, so that a test fails if a file has an error that
// systemd or udev would only report as a warning.
package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// setting is one line of a unit file: Key=value in [Section].
type setting struct{ section, key, value string }

// unit contains the settings of a unit file, in order.
type unit []setting

// known contains the keys of systemd 252 (Debian 12) that the units use, by section. Add a key only if the manual of
// that version has it, because systemd 252 ignores keys of later versions, such as RestartSteps=.
var known = map[string]string{
	"Unit": "Description Documentation After Wants Conflicts ConditionPathExists StartLimitIntervalSec StartLimitBurst",
	"Path": "PathExistsGlob",
	"Service": "Type NotifyAccess WatchdogSec ExecStartPre ExecStart ExecStopPost KillMode TimeoutStopSec " +
		"TimeoutStartSec Restart RestartSec " +
		"LoadCredential User Group StateDirectory StateDirectoryMode RuntimeDirectory RuntimeDirectoryPreserve UMask " +
		"DevicePolicy DeviceAllow " +
		"NoNewPrivileges CapabilityBoundingSet AmbientCapabilities ProtectSystem ProtectHome PrivateTmp PrivateMounts " +
		"PrivateUsers PrivateDevices " +
		"ProtectProc PrivateNetwork ReadWritePaths ProcSubset ProtectClock ProtectControlGroups ProtectHostname " +
		"ProtectKernelLogs ProtectKernelModules ProtectKernelTunables " +
		"LockPersonality MemoryDenyWriteExecute RemoveIPC RestrictAddressFamilies RestrictNamespaces RestrictRealtime " +
		"RestrictSUIDSGID " +
		"SystemCallArchitectures SystemCallErrorNumber SystemCallFilter IPAddressDeny IPAddressAllow LimitCORE " +
		"Environment RuntimeDirectoryMode MemoryMax OOMScoreAdjust",
	"Install": "WantedBy",
}

// lists contains the keys that may have several lines in a unit; each further line adds to the earlier lines. For any
// other key, the last line replaces earlier lines without a warning.
var lists = strings.Fields(
	"After ConditionPathExists Environment ExecStartPre ExecStopPost LoadCredential DeviceAllow SystemCallFilter",
)

func parseUnit(text string) (u unit, faults []string) {
	section := ""
	for i, line := range strings.Split(text, "\n") {
		fault := func(why string) { faults = append(faults, fmt.Sprintf("line %d: %s: %q", i+1, why, line)) }
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			if known[section] == "" {
				fault("a section that we do not use")
			}
			continue
		}
		key, value, is := strings.Cut(line, "=")
		switch {
		case !is:
			fault("neither a comment nor Key=value")
		case !slices.Contains(strings.Fields(known[section]), key):
			fault("a key that is not known in [" + section + "]")
		case strings.TrimSpace(value) != value || strings.HasSuffix(value, `\`):
			fault("white space around the value, or a line that goes on")
		case u.get(key) != nil && !slices.Contains(lists, key):
			fault("said twice")
		}
		u = append(u, setting{section, key, value})
	}
	return u, faults
}

func (u unit) get(key string) (values []string) {
	for _, s := range u {
		if s.key == key {
			values = append(values, s.value)
		}
	}
	return values
}

func (u unit) one(key string) string { return strings.Join(u.get(key), "|") }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func units(t *testing.T) map[string]unit {
	t.Helper()
	all := map[string]unit{}
	files, _ := filepath.Glob("../systemd/*.service")
	paths, _ := filepath.Glob("../systemd/*.path")
	files = append(files, paths...)
	for _, f := range files {
		name := filepath.Base(f)
		u, faults := parseUnit(read(t, "systemd/"+name))
		for _, why := range faults {
			t.Errorf("%s: %s", name, why)
		}
		all[name] = u
	}
	if len(all) < 2 {
		t.Fatalf("only %d units were found", len(all))
	}
	return all
}

// build-deb names the kinds of files that it takes from each folder, so it would omit a file of a new kind without an
// error.
func TestEachSystemdFileIsInThePackage(t *testing.T) {
	script := read(t, "packaging/build-deb")
	err := filepath.WalkDir("../systemd", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		if !strings.Contains(script, rel) &&
			!(filepath.Dir(rel) == "systemd" && strings.Contains(script, " systemd/*"+filepath.Ext(rel))) {
			t.Errorf("build-deb does not know %s", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The README must name the path from which the unit reads each key, because otherwise a person installs the key where
// the unit does not find it.
func TestReadmeNamesThePathsThatTheUnitLoads(t *testing.T) {
	page := read(t, "README.md")
	for _, id := range []string{"card-key", "machine-key"} {
		for _, c := range units(t)["portillond@.service"].get("LoadCredential") {
			if name, from, _ := strings.Cut(c, ":"); name == id &&
				!regexp.MustCompile(`(?m)^sudo install -m 600 \w+\.key /etc/credstore/`+
					regexp.QuoteMeta(strings.ReplaceAll(from, "%i", "laser"))+`$`).
					MatchString(page) {
				t.Errorf("README.md does not install %s", c)
			}
		}
	}
	for _, want := range []string{"sudo install -m 644 laser.yaml /etc/portillon/laser.yaml\n",
		"sudo install -d -o portillon -g portillon -m 700 /var/lib/portillon\n",
		"sudo install -o portillon -g portillon -m 600 site.bundle /var/lib/portillon/site.bundle"} {
		if !strings.Contains(page, want) {
			t.Errorf("README.md lacks %q", want)
		}
	}
}

// The package contains all files of firmware-config, because a person who builds a machine needs them. The package must
// contain each of these files, and the page in the same folder as its drawings.
func TestEachFileOfTheWiringIsInThePackage(t *testing.T) {
	place := map[string]string{} // for each pattern of file names, the folder in the package
	for _, line := range strings.Split(read(t, "packaging/build-deb"), "\n") {
		words := strings.Fields(line)
		for i := 3; i < len(words) && words[0] == "put"; i++ {
			place[words[i]] = words[2]
		}
	}
	found := func(path string) (folder string) {
		for pattern, to := range place {
			if ok, _ := filepath.Match(pattern, path); ok {
				folder = to
			}
		}
		return folder
	}
	err := filepath.WalkDir("../firmware-config", func(path string, d os.DirEntry, err error) error {
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		if rel == "firmware-config/circuit" { // skip code that calculates the drawings for tests
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() && found(rel) == "" {
			t.Errorf("build-deb does not put %s anywhere", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page := found("firmware-config/README.md")
	for _, language := range []string{"README.md", "LISEZMOI.md"} {
		for _, m := range regexp.MustCompile(`\]\(([A-Za-z-]+\.(?:svg|md))\)`).FindAllStringSubmatch(
			read(t, "firmware-config/"+language), -1) {
			if got := found("firmware-config/" + m[1]); got != page {
				t.Errorf("%s is in %s, the page %s that leads to it in %s", m[1], got, language, page)
			}
		}
	}
	for _, hint := range []string{"cmd/internal/daemoncmd/main.go", "packaging/man/portillond.8", "README.md"} {
		if !strings.Contains(read(t, hint), "/"+page) {
			t.Errorf("%s does not say that the wiring page is in /%s", hint, page)
		}
	}
}

func TestUnitsReferOnlyToFilesOfThePackage(t *testing.T) {
	for name, u := range units(t) {
		for _, s := range u {
			if !strings.HasPrefix(s.key, "Exec") {
				continue
			}
			path := strings.Fields(s.value)[0]
			program, ok := strings.CutPrefix(strings.TrimPrefix(path, "-+"), "/usr/bin/")
			// file of another package, which the unit requires for its start
			if slices.Contains(u.get("ConditionPathExists"), path) {
				continue
			}
			if name == "portillon-panel-restart.service" &&
				slices.Contains([]string{"/usr/bin/find", "+/usr/bin/systemctl"}, path) {
				// skip units that every Debian with systemd has
				continue
			}
			if _, err := os.Stat("../cmd/" + program + "/main.go"); !ok || err != nil {
				t.Errorf("%s: %s=%s: no program of this package", name, s.key, s.value)
			}
		}
		page := regexp.MustCompile(`^man:([a-z-]+)\((\d)\)$`).FindStringSubmatch(u.one("Documentation"))
		if page == nil {
			t.Errorf("%s: Documentation=%s", name, u.one("Documentation"))
		} else if _, err := os.Stat("man/" + page[1] + "." + page[2]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasSuffix(name, ".path") { // the path unit has no program, because systemd itself watches the path
			continue
		}
		if !strings.Contains(read(t, "systemd/sysusers.d/portillon.conf"), "\nu "+u.one("User")+" ") || u.one("User") == "" ||
			u.one("User") != u.one("Group") {
			t.Errorf("%s: User=%s Group=%s: not made by sysusers.d", name, u.one("User"), u.one("Group"))
		}
	}
}

// However the daemon ends, the machine's unit must switch the relay off and restart the daemon.
func TestMachinesUnitSwitchesTheRelayOffAndRestarts(t *testing.T) {
	u := units(t)["portillond@.service"]
	for key, want := range map[string]string{
		"Type": "notify", "NotifyAccess": "main", "WatchdogSec": "3", "KillMode": "mixed", "Restart": "always",
		"StartLimitIntervalSec": "0",
		"ExecStart":             "/usr/bin/portillond -config /etc/portillon/%i.yaml",
		"ExecStartPre": "-+/usr/bin/portillond -config /etc/portillon/%i.yaml -set-clock|/usr/bin/portillond " +
			"-config /etc/portillon/%i.yaml -check",
		"ExecStopPost": "/usr/bin/portillond -config /etc/portillon/%i.yaml -off",
		"DevicePolicy": "closed", "StateDirectory": "portillon portillon/%i", "RuntimeDirectory": "portillon",
		"RuntimeDirectoryPreserve": "yes",
	} {
		if got := u.one(key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
	if filters := u.get("SystemCallFilter"); filters[len(filters)-1] != "adjtimex" {
		t.Errorf("SystemCallFilter=%q: without adjtimex the clock is never believed, and nobody is let in", filters)
	}
	for _, unwanted := range []string{"ProtectClock", "ProcSubset", "PrivateDevices", "SupplementaryGroups"} {
		if v := u.one(unwanted); v != "" {
			t.Errorf("%s=%s takes from the daemon what it needs", unwanted, v)
		}
	}
	credentials := map[string]string{}
	for _, c := range u.get("LoadCredential") {
		id, from, _ := strings.Cut(c, ":")
		credentials[id] = from
		if strings.Contains(from, "/") || from == "" {
			t.Errorf("LoadCredential=%s: a path may not be missing, a name may", c)
		}
	}
	for _, id := range []string{"card-key", "machine-key", "mqtt-password", "aes-key"} {
		if credentials[id] == "" {
			t.Errorf("no LoadCredential= for %s", id)
		}
	}
	for _, id := range []string{"machine-key", "mqtt-password"} {
		if !strings.Contains(credentials[id], "%i") {
			t.Errorf("%s is one for all machines", id)
		}
	}
}

// The screen's unit opens the installed page that waits for the machine, with the default address of a machine's panel.
func TestScreensUnitOpensTheWaitingPage(t *testing.T) {
	u := units(t)["portillon-panel.service"]
	words := strings.Fields(u.one("ExecStart"))
	if last := words[len(words)-1]; last != "file:///usr/share/portillon/waiting.html#${PANEL}" ||
		!strings.Contains(read(t, "packaging/build-deb"), "firmware-config/panel/waiting.html") {
		t.Errorf("it opens %s", last)
	}
	for _, program := range []string{words[0], words[2]} {
		if !slices.Contains(u.get("ConditionPathExists"), program) {
			t.Errorf("it would fail again and again without %s", program)
		}
	}
	for _, d := range u.get("DeviceAllow") {
		if d != "char-drm rw" {
			t.Errorf("a browser may use %s", d)
		}
	}
	page := read(t, "firmware-config/panel/waiting.html")
	for _, want := range []string{"location.replace(at)", "Le panneau attend la machine", `lang="en"`,
		`content="notranslate"`} {
		if !strings.Contains(page, want) {
			t.Errorf("waiting.html has no %s", want)
		}
	}
	if regexp.MustCompile(`(src|href)=`).MatchString(page) {
		t.Error("waiting.html fetches something of its own")
	}
}

// The daemon has no permission to restart units. The daemon creates a file, a path unit detects the file and starts a
// service, and the service restarts the screen's unit at most three times an hour.
func TestFrozenScreenIsRestartedOnlyByUnits(t *testing.T) {
	all := units(t)
	path, service := all["portillon-panel-restart.path"], all["portillon-panel-restart.service"]
	if !slices.Contains(strings.Fields(all["portillon-panel.service"].one("Wants")), "portillon-panel-restart.path") {
		t.Error("nothing starts the path unit with the screen's")
	}
	if source := read(t, "cmd/internal/daemoncmd/screen.go"); !strings.Contains(source, `".screen-stuck"`) ||
		path.one("PathExistsGlob") != "/run/portillon/*.screen-stuck" {
		t.Errorf("the path unit waits for %s, the daemon writes another file", path.one("PathExistsGlob"))
	}
	if u := all["portillond@.service"]; u.one("RuntimeDirectory") != "portillon" {
		t.Error("the daemon's runtime folder is not the one that the path unit watches")
	}
	for key, want := range map[string]string{"Type": "oneshot", "StartLimitIntervalSec": "1h", "StartLimitBurst": "3",
		"ExecStartPre": "/usr/bin/find /run/portillon -maxdepth 1 -name *.screen-stuck -delete",
		"ExecStart":    "+/usr/bin/systemctl --no-block try-restart portillon-panel.service"} {
		if got := service.one(key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
}

// rule is one KEY=="value" of a udev rule.
var rule = regexp.MustCompile(`^(SUBSYSTEM|KERNEL|ENV\{[A-Z_]+\}|GROUP|MODE)(==|=)"([^"]*)"$`)

// A daemon may open a device only if three conditions hold: the unit allows the device's class, a udev rule sets the
// device's group, and a kernel module is loaded at boot.
func TestEachDeviceIsAllowedByUnitRuleAndModule(t *testing.T) {
	groups := map[string]bool{}
	for i, line := range strings.Split(read(t, "firmware-config/udev/60-portillon.rules"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, part := range strings.Split(line, ", ") {
			m := rule.FindStringSubmatch(part)
			switch {
			case m == nil:
				t.Errorf("rules line %d: %s", i+1, part)
			case (m[1] == "GROUP" || m[1] == "MODE") != (m[2] == "=") && !strings.HasPrefix(m[1], "ENV"):
				t.Errorf("rules line %d: %s: compares what it should set, or sets what it should compare", i+1, part)
			case m[1] == "GROUP":
				groups[m[3]] = true
			case m[1] == "MODE" && m[3] != "0660":
				t.Errorf("rules line %d: %s", i+1, part)
			}
		}
	}
	users := read(t, "systemd/sysusers.d/portillon.conf")
	for i, line := range strings.Split(users, "\n") {
		if line != "" &&
			!regexp.MustCompile(
				`^(#.*|u portillon(-hub|-panel)? +- "[^"]+" +/nonexistent|g [a-z0-9]+ +-|m portillon(-panel)? [a-z0-9]+)$`).
				MatchString(line) {
			t.Errorf("sysusers.d line %d: %q", i+1, line)
		}
	}
	for _, g := range []string{"gpio", "spi", "i2c", "dialout", "input"} {
		if !groups[g] || !regexp.MustCompile(`(?m)^g `+g+` `).MatchString(users) ||
			!strings.Contains(users, "\nm portillon "+g+"\n") {
			t.Errorf("group %s: a rule gives devices to it: %v; it must be made, and portillon a member", g, groups[g])
		}
	}
	modules := strings.Fields(
		regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(read(t, "systemd/modules-load.d/portillon.conf"), ""),
	)
	module := map[string]string{
		"gpiochip": "",
		"spi":      "spidev",
		"i2c":      "i2c-dev",
		"input":    "",
		"ttyAMA":   "",
		"ttyS":     "",
		"ttyUSB":   "usbserial",
		"ttyACM":   "cdc-acm",
	}
	allowed := units(t)["portillond@.service"].get("DeviceAllow")
	for class, name := range module {
		if !slices.Contains(allowed, "char-"+class+" rw") {
			t.Errorf("the unit does not allow char-%s", class)
		}
		if name != "" && !slices.Contains(modules, name) {
			t.Errorf("char-%s: nothing loads %s", class, name)
		}
	}
	if len(allowed) != len(module) {
		t.Errorf("DeviceAllow has %d lines, known are %d classes", len(allowed), len(module))
	}
}

// Key folders must not be readable by other users, and the hub's key not even by the machines' user.
func TestKeyFoldersHaveMode0700(t *testing.T) {
	line := regexp.MustCompile(
		`^([dz]) (/etc/portillon(?:/(?:keys|hub)(?:/\*)?)?|/etc/credstore(?:/portillon\.\*)?)` +
			` +([0-7]{4}) (root) +(root|portillon|portillon-hub) +-$`,
	)
	seen := 0
	for i, l := range strings.Split(read(t, "systemd/tmpfiles.d/portillon.conf"), "\n") {
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			t.Errorf("tmpfiles.d line %d: %q", i+1, l)
			continue
		}
		seen++
		if path, mode, group := m[2], m[3], m[5]; path != "/etc/portillon" && mode[3] != '0' ||
			strings.Contains(path, "/hub") != (group == "portillon-hub") {
			t.Errorf("tmpfiles.d line %d: open to the wrong people: %q", i+1, l)
		}
	}
	if seen < 5 {
		t.Errorf("only %d lines were judged", seen)
	}
}

// The manual must document each command and flag of the programs.
func TestManualHasEachCommandAndFlag(t *testing.T) {
	plain := strings.NewReplacer(`\-`, "-", "...", "…").Replace
	manual := plain(read(t, "packaging/man/portillon.1"))
	verbs := regexp.MustCompile(`(?m)^\t\t\{"([a-z -]+)",\s+"([^"]*)",\s+"([^"]+)",\s+\w+\},$`).
		FindAllStringSubmatch(read(t, "cmd/portillon/verbs.go"), -1)
	if len(verbs) < 20 {
		t.Fatalf("only %d verbs were found in cmd/portillon/verbs.go", len(verbs))
	}
	for _, v := range verbs {
		want := strings.TrimSpace(".It Ic "+v[1]+" "+v[2]) + "\n" + strings.ToUpper(v[3][:1]) + v[3][1:] + ".\n"
		if !strings.Contains(manual, want) {
			t.Errorf("portillon.1 lacks, or says otherwise:\n%s", want)
		}
	}
	if n := strings.Count(manual, "\n.It Ic "); n != len(verbs) {
		t.Errorf("portillon.1 has %d verbs, the program %d", n, len(verbs))
	}
	for page, source := range map[string]string{"portillond.8": "cmd/internal/daemoncmd/main.go",
		"portillon-hub.8": "cmd/internal/hubd/main.go"} {
		text := read(t, "packaging/man/"+page)
		for _, f := range regexp.MustCompile(`fs\.\w+\("([a-z-]+)"`).FindAllStringSubmatch(read(t, source), -1) {
			if !strings.Contains(plain(text), "\n.It Fl "+f[1]) && f[1] != "demo-clock" {
				t.Errorf("%s does not explain -%s", page, f[1])
			}
		}
	}
}

// The parser of these tests must itself detect errors in unit files.
func TestUnitParserReportsErrorsThatSystemdWouldSkip(t *testing.T) {
	for _, text := range []string{
		"[Service]\nRestartSteps=5", "[Servce]\nType=notify", "[Unit]\nType=notify", "[Service]\nType=notify\nType=exec",
		"[Service]\nType notify",
		"[Service]\nType= notify", "Type=notify",
	} {
		if _, faults := parseUnit(text); len(faults) == 0 {
			t.Errorf("%q was read without a fault", text)
		}
	}
}
