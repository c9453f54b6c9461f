package hub_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/internal/sample"
	"portillon/internal/testlog"
	"portillon/wire"
)

// fileDamages are the ways in which the test damages a file, as a worn disk or a wrong command does. older is the
// file's content on an earlier day; nil: the file did not exist.
var fileDamages = map[string]func(path string, b, older []byte) error{
	"one byte changed": func(path string, b, _ []byte) error {
		if len(b) > 0 {
			b[len(b)/2] ^= 1
		}
		return os.WriteFile(path, b, 0o600)
	},
	"cut short": func(path string, b, _ []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
	"zeroed":    func(path string, b, _ []byte) error { return os.WriteFile(path, make([]byte, len(b)), 0o600) },
	"deleted":   func(path string, _, _ []byte) error { return os.Remove(path) },
	"a folder in its place": func(path string, _, _ []byte) error {
		return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700))
	},
	"older copy": func(path string, _, older []byte) error {
		if older == nil {
			return os.Remove(path)
		}
		return os.WriteFile(path, older, 0o600)
	},
}

// hubFolder contains a hub's data folder as it is after the hub was killed, and a copy of this folder from an earlier
// day.
type hubFolder struct {
	config      hub.Config
	m           *ledgertest.Machine
	data, early string
}

func newHubFolder(t *testing.T) *hubFolder {
	t.Helper()
	m, b := ledgertest.New(t, "biklab", "laser"), newBundler(t)
	b.putBundle("biklab", 1, b.signer, "policy")
	f := &hubFolder{
		m:      m,
		config: configure(t, []*ledgertest.Machine{m}, b.configured),
		data:   t.TempDir(),
		early:  t.TempDir(),
	}
	live := func(first uint64, n int, to string, end bool) {
		o := run(t, f.config)
		<-o.Hearing() // wait: the broker drops records that arrive before the hub subscribes
		c := dial(t, o.Broker())
		c.subscribe(c.topics.Ack("laser"))
		for range n {
			m.Append(wire.Booted, "", "", wire.BootBody{Version: strings.Repeat("x", 200)})
		}
		c.deliver(o, m, first, m.Len())
		c.awaitAck(o, m, m.Len())
		if end {
			o.stop()
		}
		if err := os.CopyFS(to, os.DirFS(f.config.Data)); err != nil {
			t.Fatal(err)
		}
		o.stop()
	}
	live(1, 40, f.early, true)
	if _, err := f.config.TagOut("laser", "courroie usée", false, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.putBundle("biklab", 2, b.signer, "policy 2")
	live(41, 20, t.TempDir(), true)
	live(61, 5, f.data, false)
	return f
}

// files returns the files of the folder. The broker has hundreds of files, so files returns only one file of each
// name.
func (f *hubFolder) files(t *testing.T) (out []string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(f.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(f.data, path)
		if base := filepath.Base(name); strings.HasPrefix(name, "broker") && seen[base] {
			return err
		} else if strings.HasPrefix(name, "broker") {
			seen[base] = true
		}
		out = append(out, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The test damages each file in the data folder of a hub in six ways. At the next start, the hub must either
// acknowledge all records of the machine, or name the damaged file and the command that repairs it. The test runs
// that command, and then the hub must work. If the ledger is an older copy, the hub requests the missing records
// again.
func TestHubNamesOrRepairsEachDamagedFile(t *testing.T) {
	f := newHubFolder(t)
	names := f.files(t)
	if all := strings.Join(names, " "); !strings.Contains(all, "portillon.db-wal") || !strings.Contains(all, "tags/") ||
		!strings.Contains(all, "bundle/manifest") {
		t.Fatalf("files are missing: %s", all)
	}
	hows := slices.Sorted(maps.Keys(fileDamages))
	for i, name := range names {
		for j, how := range hows {
			damage := fileDamages[how]
			if !sample.Has(i + j) {
				continue
			}
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				c := f.config
				c.Data = filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(c.Data, os.DirFS(f.data)); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(c.Data, name)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				older, _ := os.ReadFile(filepath.Join(f.early, name))
				if err := damage(path, b, older); err != nil {
					t.Fatal(err)
				}
				f.judge(t, c, name)
			})
		}
	}
}

func (f *hubFolder) judge(t *testing.T, c hub.Config, name string) {
	t.Helper()
	h, err := hub.New(c, hub.Options{Log: testlog.New(t)})
	if err != nil {
		_, command, ok := strings.Cut(err.Error(), "again: mv ")
		if !ok || !strings.Contains(err.Error(), c.Data) {
			t.Fatalf("the error names no file, or no command: %v", err)
		}
		t.Log(err)
		if out, err := exec.Command("sh", "-c", "mv "+command).CombinedOutput(); err != nil {
			t.Fatalf("mv %s: %v\n%s", command, err, out)
		}
		if h, err = hub.New(c, hub.Options{}); err != nil {
			t.Fatalf("after the command: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	defer func() {
		cancel()
		<-done
		if err := h.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error("close: ", err)
		}
	}()
	<-h.Hearing()
	cl := dial(t, h.Broker())
	o := &runningHub{Hub: h, t: t, config: c}
	if o.key, err = c.Verifier(); err != nil {
		t.Fatal(err)
	}
	cl.subscribe(cl.topics.Ack("laser"))
	held := h.Machines()[0].Held
	if held < f.m.Len() {
		t.Logf("the ledger holds %d of %d records", held, f.m.Len())
		cl.publish(cl.topics.Records("laser"), f.m.Data(held+1, f.m.Len()))
	}
	cl.awaitAck(o, f.m, f.m.Len())
	if tags, terr := c.Tags(); strings.HasPrefix(name, "tags/") && strings.HasSuffix(name, ".json") && len(tags) == 0 &&
		terr == nil {
		t.Log("the tag's file is gone: the office put no tag on, as far as anybody knows")
	} else if terr != nil && !strings.Contains(terr.Error(), "portillon machine tag") {
		t.Errorf("the tag's error names no command: %v", terr)
	}
	if strings.HasPrefix(name, "bundle/") {
		if manifest, version := h.Manifest(); manifest == nil || version != 2 {
			t.Errorf("the bundle in force is version %d", version)
		}
	}
}
