package timezone

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryZoneOfTheToolchainIsEmbedded(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Skip("this Go toolchain has no zone files:", err)
	}
	defer z.Close()
	all, err := unpack()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		seen++
		data, known := find(all, f.Name)
		if !known {
			t.Errorf("%s is missing: run go generate ./timezone", f.Name)
			continue
		}
		if _, err := time.LoadLocationFromTZData(f.Name, data); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if seen < 400 {
		t.Errorf("only %d zones were seen", seen)
	}
}

func TestEmbeddedZoneHasSummerTime(t *testing.T) {
	all, err := unpack()
	if err != nil {
		t.Fatal(err)
	}
	data, _ := find(all, "Europe/Paris")
	paris, err := time.LoadLocationFromTZData("Europe/Paris", data)
	if err != nil {
		t.Fatal(err)
	}
	for month, want := range map[time.Month]int{time.January: 3600, time.July: 7200} {
		if _, got := time.Date(2026, month, 15, 12, 0, 0, 0, paris).Zone(); got != want {
			t.Errorf("%v: %d seconds east of UTC, want %d", month, got, want)
		}
	}
}

func TestLoadRejectsUnknownZones(t *testing.T) {
	for _, name := range []string{"Europe/Nowhere", "../etc/passwd", "Europe", "Europe/Paris 0 10", "\n"} {
		if z, err := Load(name); err == nil {
			t.Errorf("%q is %v", name, z)
		}
	}
	if z, err := Load("Europe/Paris"); err != nil || z.String() != "Europe/Paris" {
		t.Errorf("%v, %v", z, err)
	}
}
