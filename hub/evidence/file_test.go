package evidence_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/evidence"
	"portillon/policy"
	"portillon/wire"
)

func key(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := note.NewSigner(skey)
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// proveRecords appends records to a tree that the machine signs, and returns them with their proofs.
func proveRecords(
	t testing.TB,
	machine policy.MachineID,
	all []wire.Record,
	s note.Signer,
) (evidence.Journal, []evidence.Proven) {
	t.Helper()
	var hashes []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			out[i] = hashes[x]
		}
		return out, nil
	})
	out := make([]evidence.Proven, len(all))
	for i, r := range all {
		b, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		out[i].Record = b
		rand.Read(out[i].Salt[:])
		h, err := tlog.StoredHashesForRecordHash(int64(i), wire.Leaf(out[i].Salt, b), read)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h...)
	}
	n := int64(len(all))
	root, err := tlog.TreeHash(n, read)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		p, err := tlog.ProveRecord(n, int64(i), read)
		if err != nil {
			t.Fatal(err)
		}
		out[i].Path = p
	}
	c, err := wire.SignCheckpoint(wire.Checkpoint{Origin: wire.Origin("biklab", machine), Size: uint64(n), Root: root}, s)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.Journal{Machine: machine, Checkpoint: string(c)}, out
}

type desk struct {
	hub           note.Signer
	hubKey        note.Verifier
	laser, forger note.Signer
	laserKey      note.Verifier
}

func newDesk(t testing.TB) desk {
	var d desk
	d.hub, d.hubKey = key(t, "portillon-hub")
	d.laser, d.laserKey = key(t, "portillon-laser")
	d.forger, _ = key(t, "portillon-laser")
	return d
}

func (d desk) machine(id policy.MachineID) note.Verifier {
	if id == "laser" {
		return d.laserKey
	}
	return nil
}

func (d desk) verify(data []byte) (evidence.File, evidence.Progress, error) {
	return evidence.Verify(data, note.VerifierList(d.hubKey), d.machine)
}

func (d desk) file(t testing.TB) evidence.File {
	t.Helper()
	all := records(
		t,
		"laser",
		workStory(did("s", "lea", "lens-cleaning", "ines"), did("s", "lea", "mirror-alignment", "ines"))...)
	j, p := proveRecords(t, "laser", all, d.laser)
	return evidence.File{Site: "biklab", Member: "lea", Made: now, Rule: rule, Machines: []evidence.Journal{j}, Records: p}
}

func TestEvidenceFileIsVerifiedWithoutTheLedger(t *testing.T) {
	d := newDesk(t)
	data, err := evidence.Make(d.file(t), d.hub)
	if err != nil {
		t.Fatal(err)
	}
	f, p, err := d.verify(data)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Complete || !p.Complete || len(p.Counted) != 2 || p.Member != "lea" || p.Badge != "laser-maintainer" {
		t.Errorf("%+v", p)
	}
}

func TestEvidenceFileWithUnknownFieldsOfANewerHubIsRead(t *testing.T) {
	d := newDesk(t)
	data, err := evidence.Make(d.file(t), d.hub)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(data), "\n")
	body, _, _ = strings.Cut(body, "\n")
	newer := func(fields string) []byte {
		b, err := note.Sign(&note.Note{Text: "portillon evidence\n" + strings.TrimSuffix(body, "}") + fields + "}\n"}, d.hub)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, p, err := d.verify(newer(`,"zone":1`)); err != nil || !p.Complete {
		t.Errorf("with an unknown field: %+v, %v", p, err)
	}
	if _, _, err := d.verify(newer(`,"zone": 1`)); err == nil {
		t.Error("JSON that is not canonical is taken")
	}
	body = strings.Replace(body, `{"complete"`, `{"a":1,"complete"`, 1)
	body = strings.Replace(body, `,"journals"`, `,"critical":["zone"],"journals"`, 1)
	if _, _, err := d.verify(newer(`,"zone":1`)); err == nil ||
		!strings.Contains(err.Error(), `requires the field "zone"`) {
		t.Errorf("with an unknown critical field: %v", err)
	}
}

func TestEvidenceFileWithIncompleteProgressIsVerified(t *testing.T) {
	d := newDesk(t)
	f := d.file(t)
	f.Records = f.Records[:3]
	data, err := evidence.Make(f, d.hub)
	if err != nil {
		t.Fatal(err)
	}
	f, p, err := d.verify(data)
	if err != nil || f.Complete || p.Complete || p.Missing() != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestManipulatedEvidenceFileIsRefused(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		name string
		lie  func(*evidence.File)
		says string
	}{
		{"a record that was changed", func(f *evidence.File) {
			f.Records[3].Record = bytes.Replace(f.Records[3].Record, []byte("mirror-alignment"), []byte("lens-cleaning"), 1)
		}, "not in the journal"},
		{"a salt that was changed", func(f *evidence.File) { f.Records[0].Salt[3]++ }, "not in the journal"},
		{"a path cut short", func(f *evidence.File) { f.Records[0].Path = f.Records[0].Path[1:] }, "not in the journal"},
		{"a path without end", func(f *evidence.File) { f.Records[0].Path = make([]tlog.Hash, 1000) }, "no checkpoint"},
		{"another machine's signature", func(f *evidence.File) {
			f.Machines[0].Checkpoint = strings.Replace(f.Machines[0].Checkpoint, "\n4\n", "\n5\n", 1)
		}, "no trusted key"},
		{"no checkpoint", func(f *evidence.File) { f.Machines = nil }, "no checkpoint covers"},
		{"a machine that is not trusted", func(f *evidence.File) { f.Machines[0].Machine = "vinyl" }, "no key is pinned"},
		{"another site", func(f *evidence.File) { f.Site = "elsewhere" }, "want \"portillon/elsewhere/laser\""},
		{"the same record twice", func(f *evidence.File) { f.Records = append(f.Records, f.Records[3]) }, "judged again"},
		{"another member's record", func(f *evidence.File) { f.Records[1] = f.Records[0] }, "judged again"},
		{"too many records", func(f *evidence.File) {
			for len(f.Records) <= 6*evidence.MaxCounted {
				f.Records = append(f.Records, f.Records[3])
			}
		}, "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := d.file(t)
			c.lie(&f)
			data, err := evidence.Make(f, d.hub)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.verify(data); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

func TestEvidenceOfAnotherSitesRecordsIsRefused(t *testing.T) {
	d := newDesk(t)
	all := records(t, "laser", workStory(did("s", "lea", "lens-cleaning", "ines"))...)
	for i := range all {
		all[i].Site = "elsewhere"
	}
	f := d.file(t)
	j, p := proveRecords(t, "laser", all, d.laser)
	f.Machines, f.Records = []evidence.Journal{j}, p
	data, err := evidence.Make(f, d.hub)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.verify(data); err == nil {
		t.Error("believed")
	}
}

func TestEvidenceFileSignedWithAnotherMachineKeyIsRefused(t *testing.T) {
	d := newDesk(t)
	f := d.file(t)
	all := records(t, "laser", workStory(did("s", "lea", "lens-cleaning", "ines"))...)
	j, p := proveRecords(t, "laser", all, d.forger)
	f.Machines, f.Records = []evidence.Journal{j}, p
	data, err := evidence.Make(f, d.hub)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.verify(data); err == nil {
		t.Error("believed")
	}
}

func TestEvidenceFileOfAnotherHubOrAnotherKindIsRefused(t *testing.T) {
	d := newDesk(t)
	stranger, _ := key(t, "portillon-hub")
	data, err := evidence.Make(d.file(t), stranger)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.verify(data); err == nil || !strings.Contains(err.Error(), wire.ErrBadSignature.Error()) {
		t.Error(err)
	}
	data, err = evidence.Make(d.file(t), d.hub)
	if err != nil {
		t.Fatal(err)
	}
	genuine, _, _ := strings.Cut(string(data), "\n\n")
	genuine += "\n"
	if n, _ := note.Sign(&note.Note{Text: genuine}, d.hub); !bytes.Equal(n, data) {
		t.Fatal("the text was not taken apart rightly")
	}
	for name, text := range map[string]string{
		"an acknowledgement": "portillon ack\n{}\n", "JSON that is not canonical": "portillon evidence\n{ }\n",
		"a file that calls itself something else": "portillon ack" + strings.TrimPrefix(genuine, "portillon evidence"),
		"a file that says it is not complete":     strings.Replace(genuine, `"complete":true`, `"complete":false`, 1),
		"unknown fields":                          "portillon evidence\n{\"x\":1}\n", "nothing": "\n",
		"more than one value": "portillon evidence\n{} {}\n",
	} {
		n, err := note.Sign(&note.Note{Text: text}, d.hub)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.verify(n); err == nil {
			t.Errorf("%s: believed", name)
		}
	}
}

func FuzzVerifyNeverAcceptsUnsignedRecords(f *testing.F) {
	d := newDesk(f)
	good, err := evidence.Make(d.file(f), d.hub)
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := strings.Cut(string(good), "\n")
	body, _, _ = strings.Cut(body, "\n")
	f.Add(body)
	f.Add(`{}`)
	f.Add(`{"records":[{"path":["x"]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		// Sign arbitrary content with the hub's key. Verify must still refuse records that no machine signed.
		n, err := note.Sign(&note.Note{Text: "portillon evidence\n" + body + "\n"}, d.hub)
		if err != nil {
			return
		}
		file, p, err := d.verify(n)
		if err != nil {
			return
		}
		var genuine []json.RawMessage
		for _, r := range d.file(t).Records {
			genuine = append(genuine, r.Record)
		}
		for _, c := range p.Counted {
			b, _ := c.Record.Canonical()
			ok := false
			for _, g := range genuine {
				ok = ok || bytes.Equal(b, g)
			}
			if !ok {
				t.Fatalf("believed %s of %s", b, file.Member)
			}
		}
	})
}

// A key that was replaced or revoked must verify only the records that the machine wrote before that time.
func TestFormerKeyVerifiesOnlyRecordsFromBeforeItsEnd(t *testing.T) {
	d := newDesk(t)
	data, err := evidence.Make(d.file(t), d.hub)
	if err != nil {
		t.Fatal(err)
	}
	_, next := key(t, "portillon-laser")
	for name, c := range map[string]struct {
		keys []evidence.Key
		ok   bool
	}{
		"in force":            {[]evidence.Key{{Verifier: d.laserKey}}, true},
		"replaced since":      {[]evidence.Key{{Verifier: next}, {Verifier: d.laserKey, Until: now.AddDate(1, 0, 0)}}, true},
		"revoked before":      {[]evidence.Key{{Verifier: d.laserKey, Until: now.AddDate(-1, 0, 0)}}, false},
		"never the machine's": {[]evidence.Key{{Verifier: next}}, false},
		"none":                {nil, false},
	} {
		_, _, err := evidence.VerifyBy(
			data,
			note.VerifierList(d.hubKey),
			func(policy.MachineID) []evidence.Key { return c.keys },
		)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
