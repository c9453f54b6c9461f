package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
)

var owner = actor.Actor{Account: "a-1", Name: "Inès", Site: actor.Owner, Request: "r1"}

type bench struct {
	*audit.Log
	db   *store.DB
	site *store.Site
	key  note.Verifier
}

func open(t *testing.T) bench {
	t.Helper()
	db := storetest.Open(t)
	signer, key := keys(t)
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	site := db.Site("biklab")
	l, err := audit.New(audit.Options{Site: site, Signer: signer, Key: key,
		Now: func() time.Time { at = at.Add(time.Second); return at }})
	if err != nil {
		t.Fatal(err)
	}
	return bench{l, db, site, key}
}

func keys(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func (b bench) add(t *testing.T, on, detail string) {
	t.Helper()
	err := b.site.Write(context.Background(), func(tx *store.Tx) error {
		return b.Append(context.Background(), tx, owner, actor.WriteMembers, on, detail)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b bench) export(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Export(context.Background(), owner, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestExportOfAnyLengthIsVerified(t *testing.T) {
	b := open(t)
	var leaves int
	for n := range 18 {
		v, err := audit.Verify(bytes.NewReader(b.export(t)), b.key)
		if err != nil || v.Entries != uint64(n) || v.Origin != "portillon-audit/biklab" {
			t.Fatalf("%d entries: %+v, %v", n, v, err)
		}
		b.add(t, fmt.Sprintf("member m-%d", n), "name: «Léa»\r\nX: y")
		leaves++
	}
	if leaves != 18 {
		t.Fatal(leaves)
	}
}

// The root equals the root of golang.org/x/mod/sumdb/tlog, a second implementation of the same tree.
func TestTreeRootEqualsTheRootThatPackageTlogComputes(t *testing.T) {
	for n := range 40 {
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
			var out []tlog.Hash
			for _, i := range at {
				out = append(out, stored[i])
			}
			return out, nil
		})
		var leaves []tlog.Hash
		for i := range n {
			leaf := tlog.RecordHash([]byte{byte(i)})
			h, err := tlog.StoredHashesForRecordHash(int64(i), leaf, read)
			if err != nil {
				t.Fatal(err)
			}
			stored, leaves = append(stored, h...), append(leaves, leaf)
		}
		want, err := tlog.TreeHash(int64(n), read)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := audit.RootOf(leaves); err != nil || got != want {
			t.Errorf("%d leaves: %v, want %v (%v)", n, got, want, err)
		}
	}
}

func TestEveryChangedByteOfAnExportIsDetected(t *testing.T) {
	if testing.Short() {
		t.Skip("short: changes an export at every byte")
	}
	b := open(t)
	b.add(t, "member m-0", "")
	b.forget(t, "member m-0")
	whole := b.export(t)
	verify := func(data []byte) error { _, err := audit.Verify(bytes.NewReader(data), b.key); return err }
	if err := verify(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for n, x := range []byte{whole[i] ^ 1, whole[i] ^ 0x20, 0, '\n', ' ', '"'} {
			if x == whole[i] || n > 0 && i%8 > 0 {
				continue
			}
			changed := bytes.Clone(whole)
			changed[i] = x
			if verify(changed) == nil {
				t.Fatalf("byte %d: %q became %q, and nothing is wrong: %q", i, whole[i], x, whole[max(0, i-20):i+1])
			}
		}
		if verify(append(bytes.Clone(whole[:i]), whole[i+1:]...)) == nil {
			t.Fatalf("byte %d was left out, and nothing is wrong", i)
		}
		if verify(append(append(bytes.Clone(whole[:i]), ' '), whole[i:]...)) == nil {
			t.Fatalf("a space was put before byte %d, and nothing is wrong", i)
		}
		if verify(whole[:i]) == nil {
			t.Fatalf("the file was cut before byte %d, and nothing is wrong", i)
		}
	}
}

func TestRemovedMovedAndRepeatedLinesOfAnExportAreDetected(t *testing.T) {
	b := open(t)
	for n := range 9 {
		b.add(t, fmt.Sprintf("member m-%d", n), "")
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(b.export(t), []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	for i := range lines {
		cut := append(append([][]byte{}, lines[:i]...), lines[i+1:]...)
		twice := append(append(append([][]byte{}, lines[:i+1]...), lines[i]), lines[i+1:]...)
		for what, all := range map[string][][]byte{"cut": cut, "twice": twice} {
			if _, err := audit.Verify(bytes.NewReader(bytes.Join(all, nil)), b.key); err == nil {
				t.Errorf("line %d %s: nothing is wrong", i+1, what)
			}
		}
		for k := range i {
			moved := append([][]byte{}, lines...)
			moved[i], moved[k] = moved[k], moved[i]
			if _, err := audit.Verify(bytes.NewReader(bytes.Join(moved, nil)), b.key); err == nil {
				t.Errorf("lines %d and %d changed places: nothing is wrong", k+1, i+1)
			}
		}
	}
}

func TestExportSignedWithAnotherKeyIsRejected(t *testing.T) {
	b := open(t)
	b.add(t, "", "")
	_, other := keys(t)
	if _, err := audit.Verify(bytes.NewReader(b.export(t)), other); err == nil {
		t.Error("a log that another key signed is accepted")
	}
}

func (b bench) forget(t *testing.T, about ...string) {
	t.Helper()
	err := b.site.Write(context.Background(), func(tx *store.Tx) error {
		return b.Forget(context.Background(), tx, owner, about, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLogStaysVerifiableAfterAnErasure(t *testing.T) {
	b := open(t)
	b.add(t, "member m-lea", "renamed Léa Martin")
	b.add(t, "member m-karim", "renamed Karim")
	b.add(t, "member m-lea", "card added")
	b.forget(t, "member m-lea")
	data := b.export(t)
	v, err := audit.Verify(bytes.NewReader(data), b.key)
	if err != nil || v.Entries != 4 || v.Erased != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if s := string(data); strings.Contains(s, "Martin") || strings.Contains(s, "m-lea") || !strings.Contains(s, "Karim") {
		t.Errorf("export after an erasure: %s", s)
	}
	b.add(t, "member m-karim", "the log goes on")
	if _, err := audit.Verify(bytes.NewReader(b.export(t)), b.key); err != nil {
		t.Error(err)
	}
}

func TestRemovedPersonalPartOfAnExportIsDetected(t *testing.T) {
	b := open(t)
	b.add(t, "member m-lea", "x")
	b.add(t, "member m-karim", "y")
	b.forget(t, "member m-karim") // the log lists Karim's entry as erased; Léa's entry must have its personal part
	data := string(b.export(t))
	from := strings.Index(data, `,"personal":{"name"`)
	to := strings.Index(data[from:], "\n") + from
	data = data[:from] + "}" + data[to:]
	_, err := audit.Verify(strings.NewReader(data), b.key)
	if err == nil || !strings.Contains(err.Error(), "no later entry lists it as erased") {
		t.Errorf("Verify: %v\n%s", err, data)
	}
}

// An attacker with write access to the database, but without the hub's key, changes rows. The log must then refuse to
// sign.
func TestLogRefusesToSignAChangedDatabase(t *testing.T) {
	for _, c := range []struct{ what, sql string }{
		{"entry changed", `UPDATE audit_entry SET entry = replace(entry, 'members.write', 'members.read') WHERE site = $1 AND
			seq = 2`},
		{"entry removed", `DELETE FROM audit_entry WHERE site = $1 AND seq = 2`},
		{"last entry removed", `DELETE FROM audit_entry WHERE site = $1 AND seq = 3`},
		{"detail changed", `UPDATE audit_entry SET personal = replace(personal, 'm-1', 'm-2') WHERE site = $1 AND seq = 2`},
		{"detail removed", `UPDATE audit_entry SET personal = NULL, salt = NULL WHERE site = $1 AND seq = 2`},
		{"head removed", `DELETE FROM audit_head WHERE site = $1`},
		{"size changed", `UPDATE audit_head SET size = 2, edge = substr(edge, 1, 64) WHERE site = $1`},
		{"all entries removed, head kept", `DELETE FROM audit_entry WHERE site = $1`},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := open(t)
			for n := range 3 {
				b.add(t, fmt.Sprintf("member m-%d", n), "")
			}
			if err := b.site.Write(context.Background(), func(tx *store.Tx) error {
				_, err := tx.Exec(context.Background(),
					c.sql)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			errAdd := b.site.Write(context.Background(), func(tx *store.Tx) error {
				return b.Append(context.Background(), tx, owner, actor.WriteMembers, "", "")
			})
			var out bytes.Buffer
			err := b.Export(context.Background(), owner, &out)
			if err == nil {
				_, err = audit.Verify(bytes.NewReader(out.Bytes()), b.key)
			}
			if err == nil {
				t.Errorf("nothing is wrong with the export; Append: %v", errAdd)
			}
		})
	}
}

func TestEntryOfARolledBackActIsNotStored(t *testing.T) {
	b := open(t)
	b.add(t, "member m-1", "")
	stop := errors.New("stop")
	err := b.site.Write(context.Background(), func(tx *store.Tx) error {
		if err := b.Append(context.Background(), tx, owner, actor.WriteMembers, "member m-2", ""); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if v, err := audit.Verify(bytes.NewReader(b.export(t)), b.key); err != nil || v.Entries != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestEntriesArePagedNewestFirst(t *testing.T) {
	b := open(t)
	for n := range 7 {
		b.add(t, fmt.Sprintf("member m-%d", n), "")
	}
	var seen []uint64
	p := audit.Page{Limit: 3}
	for {
		out, next, err := b.Entries(context.Background(), owner, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out {
			seen = append(seen, e.Seq)
		}
		if p.After = next; next == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[7 6 5 4 3 2 1]" {
		t.Errorf("read %v", seen)
	}
	if _, _, err := b.Entries(context.Background(), owner, audit.Page{After: "x"}); err == nil {
		t.Error("a page after x is accepted")
	}
}

func TestReadingTheAuditLogRequiresThatRight(t *testing.T) {
	b := open(t)
	for role, may := range map[actor.Role]bool{"": false, actor.Member: false, actor.Administrator: true,
		actor.Owner: true} {
		a := actor.Actor{Account: "a", Site: role}
		_, _, err := b.Entries(context.Background(), a, audit.Page{})
		err2 := b.Export(context.Background(), a, &bytes.Buffer{})
		if (err == nil) != may || (err2 == nil) != may {
			t.Errorf("%q: %v, %v", role, err, err2)
		}
	}
}

func TestLongTextsAreShortenedWithoutSplittingACharacter(t *testing.T) {
	b := open(t)
	b.add(t, strings.Repeat("é", 500), strings.Repeat("\x00é\xff", 5000))
	out, _, err := b.Entries(context.Background(), owner, audit.Page{})
	if err != nil || len(out) != 1 || len(out[0].On) > 200 || len(out[0].Detail) > 2000 || !strings.HasSuffix(out[0].On,
		"é…") {
		t.Errorf("%v %d %d", err, len(out[0].On), len(out[0].Detail))
	}
	if _, err := audit.Verify(bytes.NewReader(b.export(t)), b.key); err != nil {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"checkpoint":"portillon-audit/biklab\n0\nx\n\n— x y\n"}` + "\n"))
	f.Add([]byte(`{"entry":{"account":"a","act":"x","at":"2026-11-30T09:00:00Z","personal":"","seq":1}}` + "\n"))
	key, err := note.NewVerifier("portillon:hub:biklab+70da26b2+Aa0P5OI8MgWaYhuQTL1iVc3sbNTW2EDg6oAWUeF0Zgyk")
	if err != nil {
		_, public, gerr := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
		if gerr != nil {
			f.Fatal(gerr)
		}
		if key, err = note.NewVerifier(public); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := audit.Verify(bytes.NewReader(data), key); err == nil {
			t.Errorf("accepted without a signature: %q", data)
		}
	})
}
