package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// keys returns keys that are used only in tests. Ed25519 signatures are deterministic, so the test can compare signed
// texts with golden files.
func keys(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "portillon-test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, note.VerifierList(v)
}

func stranger(t testing.TB) note.Signer {
	t.Helper()
	skey, _, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{9}, 64)), "portillon-test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

var at = time.Date(2026, 11, 23, 10, 0, 0, 123e6, time.UTC)

func sample(t testing.TB) []Record {
	body := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	r := func(seq uint64, k Kind, session string, who policy.MemberID, b any) Record {
		return Record{
			Site:    "biklab",
			Machine: "laser",
			Seq:     seq,
			Boot:    "7c1d",
			Mono:    int64(seq) * 1000,
			Wall:    at.Add(time.Duration(seq) * time.Second),
			Clock:   ClockTrusted,
			Kind:    k,
			Session: session,
			Member:  who,
			Body:    body(b),
		}
	}
	return []Record{
		r(1, Booted, "", "", BootBody{Version: "0.1"}),
		r(
			2,
			SessionStart,
			"s1",
			"m-020dc2",
			StartBody{
				Role:       policy.User,
				Grant:      2,
				Badges:     []policy.BadgeID{"laser-user"},
				MaxSeconds: 7200,
				Bundle:     3,
				Card:       "uid",
			},
		),
		r(3, SessionEnd, "s1", "m-020dc2", EndBody{Cause: CauseTap, Seconds: 61}),
		r(4, Refused, "", "m-9d017e", RefusedBody{Reasons: []policy.Code{policy.NoBadge}, Role: policy.User}),
		r(
			5,
			Intervened,
			"s2",
			"m-020dc2",
			InterventionBody{What: "lens-cleaning", Endorser: "m-2dc899", Minutes: 10, Note: "lentille \"propre\""},
		),
	}
}

func batch(t testing.TB, s note.Signer, records []Record) []byte {
	t.Helper()
	var b Batch
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			out[i] = hashes[x]
		}
		return out, nil
	})
	for i, r := range records {
		c, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		salt := Salt{byte(i + 1)}
		b.Records = append(b.Records, Leafed{salt, c})
		more, err := tlog.StoredHashesForRecordHash(int64(i), Leaf(salt, c), reader)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	root, err := tlog.TreeHash(int64(len(records)), reader)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := SignCheckpoint(Checkpoint{Origin("biklab", "laser"), uint64(len(records)), root}, s)
	if err != nil {
		t.Fatal(err)
	}
	b.Checkpoint = string(cp)
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func manifest() Manifest {
	return Manifest{
		Site:    "biklab",
		Version: 3,
		Issued:  at.Truncate(time.Second),
		Expires: at.Truncate(time.Second).AddDate(0, 1, 0),
		Chunks: []Chunk{
			{PolicyChunk, Hash([]byte("policy")), 6},
			{RosterChunk(0), Hash([]byte("roster")), 6},
			{BadgesChunk(0), Hash([]byte("badges")), 6},
		},
	}
}

func chunks(sha string) ([]byte, error) {
	for _, s := range []string{"policy", "roster", "badges"} {
		if Hash([]byte(s)) == sha {
			return []byte(s), nil
		}
	}
	return nil, errors.New("no such chunk")
}

var command = Command{
	Site:    "biklab",
	Machine: "laser",
	ID:      "c1",
	Do:      "tag",
	Reason:  "courroie usée",
	Issued:  at,
	Expires: at.Add(30 * time.Second),
}

// Installed machines and hubs depend on the message formats, so a golden file checks each format.
func TestMessageFormatsMatchTheGoldenFiles(t *testing.T) {
	s, v := keys(t)
	records := sample(t)
	var lines []byte
	for _, r := range records {
		c, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseRecord(c); err != nil || again.Seq != r.Seq || again.Kind != r.Kind ||
			!again.Wall.Equal(r.Wall) {
			t.Errorf("record %d reads back as %+v, %v", r.Seq, again, err)
		}
		lines = append(append(lines, c...), '\n')
	}
	golden(t, "records.jsonl", lines)
	b := batch(t, s, records)
	golden(t, "batch.json", append(b, '\n'))
	got, rs, err := ParseBatch(b)
	if err != nil || len(rs) != len(records) {
		t.Fatal(err)
	}
	cp, err := OpenCheckpoint([]byte(got.Checkpoint), "portillon/biklab/laser", v)
	if err != nil || cp.Size != 5 {
		t.Fatal(cp, err)
	}
	golden(t, "checkpoint.note", []byte(got.Checkpoint))
	ack, err := SignAck(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00ff"}, s)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "ack.note", ack)
	cmd, err := SignCommand(command, s)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "command.note", cmd)
	m, err := SignManifest(manifest(), s)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest.note", m)
	state, _ := json.Marshal(
		State{
			Machine: "laser",
			Phase:   "on",
			Relay:   true,
			Left:    42,
			Hours:   128.5,
			Due:     "lens-cleaning",
			Bundle:  3,
			Journal: 11,
		},
	)
	golden(t, "state.json", append(state, '\n'))
	topics := Topics{"biklab"}
	all := []string{
		topics.Availability("laser"),
		topics.State("laser"),
		topics.Records("laser"),
		topics.Checkpoint("laser"),
		topics.Command("laser"),
		topics.Reply("laser"),
		topics.Bundle(),
		topics.Ack("laser"),
		topics.All("records"),
	}
	golden(t, "topics.txt", []byte(strings.Join(all, "\n")+"\n"))
	topic, doc := topics.Discovery("laser", "Découpe laser", "0.1")
	golden(t, "discovery.json", append([]byte(topic+"\n"), append(doc, '\n')...))
	var roster bytes.Buffer
	chunk, err := EncodeChunk(
		RosterBucket{
			[]Member{
				{
					ID:     "m-020dc2",
					Name:   "Léa Martin",
					Emails: []string{"lea@example.org"},
					Cards:  []string{"ab"},
					Badges: []string{"cd"},
				},
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	roster.Write(append(chunk, '\n'))
	golden(t, "roster.json", roster.Bytes())
}

// A text that was signed for one use, with one key, for one machine, must not be accepted for any other use, key or
// machine.
func TestSignedTextsAreAcceptedOnlyForTheirUse(t *testing.T) {
	s, v := keys(t)
	evil := stranger(t)
	good := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ack := good(SignAck(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00"}, s))
	cmd := good(SignCommand(command, s))
	man := good(SignManifest(manifest(), s))
	cp := good(SignCheckpoint(Checkpoint{Origin("biklab", "laser"), 5, tlog.Hash{}}, s))
	orders := func() *Commands {
		return &Commands{Site: "biklab", Machine: "laser", Keys: v, Started: at.Add(-time.Hour)}
	}
	open := map[string]func([]byte) error{
		"ack":        func(b []byte) error { _, err := OpenAck(b, v, "biklab", "laser"); return err },
		"command":    func(b []byte) error { _, err := orders().Open(b, at, true); return err },
		"manifest":   func(b []byte) error { _, err := OpenManifest(b, v); return err },
		"checkpoint": func(b []byte) error { _, err := OpenCheckpoint(b, "portillon/biklab/laser", v); return err },
	}
	texts := map[string][]byte{"ack": ack, "command": cmd, "manifest": man, "checkpoint": cp}
	for kind, f := range open {
		for other, b := range texts {
			if err := f(b); (err == nil) != (kind == other) {
				t.Errorf("a signed %s opened as %s: %v", other, kind, err)
			}
		}
		for i := range len(texts[kind]) - 3 { // in the last base64 letter of the signature, some bits are unused
			c := bytes.Clone(texts[kind])
			c[i] ^= 1
			if err := f(c); err == nil {
				t.Errorf("%s with byte %d %q changed is taken", kind, i, texts[kind][i])
			}
		}
	}
	for kind, b := range map[string][]byte{
		"ack":        good(SignAck(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00"}, evil)),
		"command":    good(SignCommand(command, evil)),
		"manifest":   good(SignManifest(manifest(), evil)),
		"checkpoint": good(SignCheckpoint(Checkpoint{Origin("biklab", "laser"), 5, tlog.Hash{}}, evil))} {
		if err := open[kind](b); err == nil {
			t.Errorf("a stranger's %s is taken", kind)
		}
	}
	if _, err := OpenAck(ack, v, "biklab", "vinyl"); err == nil {
		t.Error("another machine's acknowledgement is taken")
	}
	if _, err := OpenCheckpoint(cp, "portillon/biklab/vinyl", v); err == nil {
		t.Error("another machine's checkpoint is taken")
	}
}

func TestLateEarlyForeignOrRepeatedCommandsAreRefused(t *testing.T) {
	s, v := keys(t)
	fresh := func() *Commands {
		return &Commands{Site: "biklab", Machine: "laser", Keys: v, Started: at.Add(-time.Hour)}
	}
	for _, c := range []struct {
		name   string
		change func(*Command)
		now    time.Time
		want   error
	}{
		{"in time", func(*Command) {}, at.Add(29 * time.Second), nil},
		{"a clock a little behind", func(*Command) {}, at.Add(-4 * time.Second), nil},
		{"late", func(*Command) {}, at.Add(30 * time.Second), ErrLate},
		{"early", func(*Command) {}, at.Add(-6 * time.Second), ErrEarly},
		{"for another machine", func(c *Command) { c.Machine = "vinyl" }, at, ErrForeign},
		{"of another site", func(c *Command) { c.Site = "x" }, at, ErrForeign},
		{"with a long life", func(c *Command) { c.Expires = at.Add(31 * time.Second) }, at, ErrLate},
		{"that ends before it begins", func(c *Command) { c.Expires = at.Add(-time.Second) }, at.Add(-2 * time.Second),
			ErrLate},
		{"older than the daemon", func(c *Command) {
			c.Issued, c.Expires = at.Add(-2*time.Hour),
				at.Add(-2*time.Hour+30*time.Second)
		}, at.Add(-2 * time.Hour), ErrLate},
	} {
		cmd := command
		cmd.Do = "stop"
		c.change(&cmd)
		b, _ := SignCommand(cmd, s)
		if _, err := fresh().Open(b, c.now, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	o := fresh()
	stop := command
	stop.Do = "stop"
	b, _ := SignCommand(stop, s)
	if _, err := o.Open(b, at, true); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(b, at.Add(time.Second), true); !errors.Is(err, ErrRepeated) {
		t.Errorf("repeated: %v", err)
	}
	noID := command
	noID.ID = ""
	b, _ = SignCommand(noID, s)
	if _, err := o.Open(b, at, true); err == nil {
		t.Error("a command without an id was taken")
	}
}

// A machine with a wrong or untrusted clock must still accept a command that adds a tag.
func TestTagCommandsAreValidWithoutATrustedClock(t *testing.T) {
	s, v := keys(t)
	o := &Commands{Site: "biklab", Machine: "laser", Keys: v, Started: at}
	tag, err := SignCommand(command, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{at, at.Add(-8 * time.Second), at.Add(40 * time.Second), at.AddDate(-10, 0, 0),
		at.AddDate(10, 0, 0)} {
		for _, trusted := range []bool{true, false} {
			c, err := o.Open(tag, now, trusted)
			if err != nil || c.TagID() != "c1" {
				t.Errorf("clock %v off, trusted %t: %v, tag %q", now.Sub(at), trusted, err, c.TagID())
			}
		}
	}
	other := command
	other.Machine = "vinyl"
	b, _ := SignCommand(other, s)
	if c, err := o.Open(b, at, true); !errors.Is(err, ErrForeign) || c.ID != "" {
		t.Errorf("a tag for another machine: %v, id %q", err, c.ID)
	}
}

// If a command is refused, its sender receives the reason. If a command is repeated, its sender receives no second
// answer.
func TestRefusedCommandsKeepTheirIDForTheReply(t *testing.T) {
	s, v := keys(t)
	stop := command
	stop.Do = "stop"
	b, _ := SignCommand(stop, s)
	for _, x := range []struct {
		name    string
		now     time.Time
		trusted bool
		want    error
	}{
		{"clock ahead", at.Add(31 * time.Second), true, ErrLate},
		{"clock behind", at.Add(-8 * time.Second), true, ErrEarly},
		{"clock not trusted", at, false, ErrNoClock},
	} {
		o := &Commands{Site: "biklab", Machine: "laser", Keys: v, Started: at.Add(-time.Hour)}
		if c, err := o.Open(b, x.now, x.trusted); !errors.Is(err, x.want) || c.ID != "c1" {
			t.Errorf("%s: %v, id %q", x.name, err, c.ID)
		}
	}
	o := &Commands{Site: "biklab", Machine: "laser", Keys: v, Started: at.Add(-time.Hour)}
	if _, err := o.Open(b, at, true); err != nil {
		t.Fatal(err)
	}
	if c, err := o.Open(b, at, true); !errors.Is(err, ErrRepeated) || c.ID != "" {
		t.Errorf("received twice: %v, id %q", err, c.ID)
	}
}

func TestTopicsNameTheirMachine(t *testing.T) {
	topics := Topics{"biklab"}
	for topic, want := range map[string]policy.MachineID{"portillon/biklab/laser/records": "laser",
		"portillon/other/laser/records": "", "portillon/biklab/ack/records": "",
		"portillon/biklab//records": "", "portillon/biklab/a/b/records": "", "portillon/biklab/laser/state": "", "": ""} {
		if m, ok := topics.Machine(topic, "records"); m != want || ok != (want != "") {
			t.Errorf("%q: %q %v", topic, m, ok)
		}
	}
}
