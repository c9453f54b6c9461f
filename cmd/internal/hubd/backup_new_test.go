package hubd

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/internal/testlog"
)

// A hub that is restored on another computer has the keys that its machines trust: the card key, the key of its
// certificate authority and the site's key.
func TestBackupWithSecretsContainsEveryFileOfANewHub(t *testing.T) {
	if testing.Short() {
		t.Skip("short: makes a backup of a whole hub")
	}
	dir := t.TempDir()
	config, err := findConfig(dir, hub.NewHub{Site: "biklab", Web: "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"8443", "8883"} {
		text = bytes.ReplaceAll(text, []byte("0.0.0.0:"+port), []byte("127.0.0.1:0"))
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := hub.ReadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(c, hub.Options{Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"hub.yaml": string(text) + "mail: mail.yaml\n",
		"mail.yaml": "password: p\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, to := filepath.Join(t.TempDir(), "b.tar"), filepath.Join(t.TempDir(), "new")
	command(t, 0, "backup", "-config", config, "-with-secrets", file)
	said := command(t, 0, "restore", "-phrase-file", filepath.Join(c.Data, phraseFile), file, to)
	if strings.Contains(said, "missing") {
		t.Error(said)
	}
	// These are the files that a backup leaves out on purpose or stores in another form (see filesOf and store.BackUp).
	left := []string{
		"data/" + phraseFile,
		"data/last-backup",
		"data/owner-code",
		"data/portillon.db",
		"data/portillon.db-shm",
		"data/portillon.db-wal",
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err != nil || !e.Type().IsRegular() || slices.Contains(left, name) ||
			strings.HasPrefix(name, "data/broker/") || strings.HasPrefix(name, "data/seal/") {
			return err
		}
		want, err := os.ReadFile(path)
		if got, rerr := os.ReadFile(filepath.Join(to, name)); rerr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not restored: %v", name, rerr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keys/card.key", "data/authority/authority.key", "data/authority/authority.crt"} {
		if _, err := os.Stat(filepath.Join(to, name)); err != nil {
			t.Error(err)
		}
	}
}
