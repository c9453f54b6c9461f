package hubd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub"
)

func TestHubWithoutAConfigurationIsCreatedInAnEmptyFolder(t *testing.T) {
	if _, err := os.Stat(systemConfig); err == nil {
		t.Fatalf("%s is on this computer: the test would find it", systemConfig)
	}
	dir := filepath.Join(t.TempDir(), "Le Lab 3")
	var out bytes.Buffer
	config, err := findConfig(dir, hub.NewHub{}, &out)
	if err != nil || !strings.Contains(out.String(), "a new hub of the site le-lab-3") {
		t.Fatalf("%v %s", err, out.String())
	}
	again, err := findConfig(dir, hub.NewHub{Site: "other"}, &out)
	if err != nil || again != config {
		t.Errorf("the second start finds %q, %v, want %q", again, err, config)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if _, err := findConfig(dir, hub.NewHub{}, &out); err == nil || !strings.Contains(err.Error(), "keys") {
		t.Errorf("a folder with keys and without hub.yaml: %v", err)
	}
}

func TestSiteIDIsDerivedFromTheFoldersName(t *testing.T) {
	for name, want := range map[string]string{"biklab": "biklab", "Le Lab": "le-lab", "/": "site", "é": "site", "-a-": "a",
		strings.Repeat("x", 80): strings.Repeat("x", 40)} {
		if got := slug(name); got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
	}
}

func TestCommandsForARunningHubUseTheHubYamlOfTheCurrentFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := runningConfig(); got != systemConfig {
		t.Errorf("in an empty folder: %s", got)
	}
	if err := os.WriteFile("hub.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runningConfig(); got != "hub.yaml" {
		t.Errorf("in a hub's folder: %s", got)
	}
}
