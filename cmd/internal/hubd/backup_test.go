package hubd

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store"
)

// backedUpSite is the folder of a hub whose ledger contains 5 records of the machine laser.
type backedUpSite struct {
	config string
	conf   hub.Config
	laser  *ledgertest.Machine
	db     *store.DB
	ledger *ledger.Ledger
}

func newBackedUpSite(t *testing.T) *backedUpSite {
	t.Helper()
	if testing.Short() {
		t.Skip("short: fills the folder of a hub with a site and a ledger")
	}
	s := &backedUpSite{config: config(t), laser: ledgertest.New(t, "biklab", "laser")}
	var err error
	if s.conf, err = hub.ReadConfig(s.config); err != nil {
		t.Fatal(err)
	}
	if s.db, err = store.Open(t.Context(), s.conf.Database()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.ledger = ledger.New(s.db.Site("biklab"), ledger.Keys{"laser": s.laser.Key})
	s.laser.Fill(500)
	s.take(t, 1, 5)
	for name, text := range map[string]string{"tags/t.json": "{}", "seal/2026-11-30.key": "secret",
		"keys/ca.key": "private", "broker/x": "x"} {
		path := filepath.Join(s.conf.Data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *backedUpSite) take(t *testing.T, first, last uint64) {
	t.Helper()
	if _, err := s.ledger.Take("laser", s.laser.Data(first, last)); err != nil {
		t.Error(err)
	}
}

func command(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(t.Context(), args, &out, &errs); got != code {
		t.Fatalf("%v: exit %d, want %d: %s%s", args, got, code, out.String(), errs.String())
	}
	return out.String() + errs.String()
}

func TestBackupOfARunningHubCanBeRestoredElsewhere(t *testing.T) {
	s := newBackedUpSite(t)
	file, to := filepath.Join(t.TempDir(), "b.tar"), filepath.Join(t.TempDir(), "new")
	var writing sync.WaitGroup
	writing.Go(func() { // make the hub write records while the backup runs
		for seq := uint64(6); seq <= 105; seq++ {
			s.take(t, seq, seq)
		}
	})
	said := command(t, 0, "backup", "-config", s.config, file)
	writing.Wait()
	for _, want := range []string{"lacks the secret hub.key", "lacks the secret data/keys/ca.key"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
	for _, secret := range []string{"PRIVATE+KEY", "private"} {
		if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte(secret)) {
			t.Errorf("a secret is in the backup, %v", err)
		}
	}
	if said := command(t, 0, "restore", file, to); !strings.Contains(said, "secret hub.key is missing") {
		t.Error(said)
	}
	for name, there := range map[string]bool{"hub.yaml": true, "data/tags/t.json": true, "data/seal": false,
		"data/broker": false, "hub.key": false, "backup.json": false} {
		if _, err := os.Stat(filepath.Join(to, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := ledger.Open(filepath.Join(to, "data", store.Name), "biklab", ledger.Keys{"laser": s.laser.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h, err := l.Head("laser")
	if err != nil || h.Seq < 5 || h.Seq > 105 || h.Root != s.laser.Root(h.Seq) {
		t.Fatalf("%+v, %v", h, err)
	}
	// The machine sends again the records that it wrote after the backup.
	for first := h.Seq + 1; first <= 105; first += 100 {
		if _, err := l.Take("laser", s.laser.Data(first, min(first+99, 105))); err != nil {
			t.Error(err)
		}
	}
	if said := command(t, 2, "restore", file, to); !strings.Contains(said, "not empty") {
		t.Error(said)
	}
	if said := command(t, 2, "backup", "-config", s.config, file); !strings.Contains(said, "exists") {
		t.Error(said)
	}
}

func TestSecretsOfABackupAreReadableOnlyWithTheRecoveryPhrase(t *testing.T) {
	s := newBackedUpSite(t)
	file := filepath.Join(t.TempDir(), "b.tar")
	said := command(t, 0, "backup", "-config", s.config, "-with-secrets", file)
	phrase, made, err := RecoveryPhrase(s.conf.Data)
	if err != nil || made || !strings.Contains(said, phrase) || strings.Contains(said, "lacks") {
		t.Fatalf("%s, %v", said, err)
	}
	b, err := os.ReadFile(file)
	if err != nil || bytes.Contains(b, []byte("PRIVATE+KEY")) || bytes.Contains(b, []byte(phrase)) {
		t.Errorf("a secret is readable in the backup, %v", err)
	}
	right, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	os.WriteFile(right, []byte(strings.ToUpper(phrase)+"\n"), 0o600)
	os.WriteFile(wrong, []byte("00000-00000-00000-00000-00000-0\n"), 0o600)
	if said := command(t, 2, "restore", "-phrase-file", wrong, file, filepath.Join(t.TempDir(), "x")); !strings.Contains(
		said,
		"cannot be decrypted with this recovery phrase",
	) {
		t.Error(said)
	}
	to := filepath.Join(t.TempDir(), "new")
	if said := command(t, 0, "restore", "-phrase-file", right, file, to); strings.Contains(said, "missing") {
		t.Error(said)
	}
	for name, path := range map[string]string{"hub.key": filepath.Join(filepath.Dir(s.config), "hub.key"),
		"data/keys/ca.key": filepath.Join(s.conf.Data, "keys/ca.key")} {
		want, _ := os.ReadFile(path)
		got, err := os.ReadFile(filepath.Join(to, name))
		if fi, serr := os.Stat(filepath.Join(to, name)); err != nil || serr != nil || !bytes.Equal(got, want) ||
			fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said := command(t, 0, "restore", file, filepath.Join(t.TempDir(), "without")); !strings.Contains(
		said,
		"secret hub.key is missing",
	) {
		t.Error(said)
	}
}

func TestRestoreRejectsFilesThatAreNotABackup(t *testing.T) {
	s := newBackedUpSite(t)
	good := filepath.Join(t.TempDir(), "b.tar")
	command(t, 0, "backup", "-config", s.config, good)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	// changed calls the function change for each file of a backup, and returns a backup with the changed headers and
	// contents.
	changed := func(change func(h *tar.Header, b []byte) []byte) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for r := tar.NewReader(bytes.NewReader(whole)); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			b, _ := io.ReadAll(r)
			b = change(h, b)
			h.Size = int64(len(b))
			w.WriteHeader(h)
			w.Write(b)
		}
		w.Close()
		return out.Bytes()
	}
	rename := func(from, to string) []byte {
		return changed(func(h *tar.Header, b []byte) []byte {
			if h.Name == from {
				h.Name = to
			}
			return b
		})
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":            {nil, "is not a backup"},
		"words":              {[]byte(strings.Repeat("words ", 400)), "tar"},
		"cut short":          {whole[:len(whole)/2], "EOF"},
		"a path outside":     {rename("hub.yaml", "../hub.yaml"), "contains the unexpected file"},
		"an absolute path":   {rename("hub.yaml", "/etc/hub.yaml"), "contains the unexpected file"},
		"a file twice":       {rename("hub.yaml", "data/portillon.db"), "exists"},
		"without a database": {rename("data/portillon.db", "data/x"), "0 databases"},
		"a damaged database": {changed(func(h *tar.Header, b []byte) []byte {
			if h.Name == "data/portillon.db" {
				copy(b[4096:], make([]byte, 4096))
			}
			return b
		}), "damaged"},
	} {
		file, to := filepath.Join(t.TempDir(), "x.tar"), filepath.Join(t.TempDir(), "inner", "to")
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if said := command(t, 2, "restore", file, to); !strings.Contains(said, c.says) {
			t.Errorf("%s: %q, want %q", name, said, c.says)
		}
		if outside, _ := os.ReadDir(filepath.Dir(to)); len(outside) != 1 {
			t.Errorf("%s: a file stands outside the folder: %v", name, outside)
		}
	}
}
