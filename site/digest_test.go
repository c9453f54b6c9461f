package site

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"portillon/internal/sample"
	"portillon/wire"
)

// variants returns different values of a type. In each of these values, one field differs from the zero value.
func variants(t reflect.Type) (out []reflect.Value) {
	switch t.Kind() {
	case reflect.String:
		return []reflect.Value{reflect.ValueOf("a").Convert(t), reflect.ValueOf("ab").Convert(t)}
	case reflect.Bool:
		return []reflect.Value{reflect.ValueOf(true).Convert(t)}
	case reflect.Slice:
		for _, e := range variants(t.Elem()) {
			out = append(out, reflect.Append(reflect.Zero(t), e), reflect.Append(reflect.Zero(t), e, e))
		}
		return out
	case reflect.Struct:
		for i := range t.NumField() {
			for _, v := range variants(t.Field(i).Type) {
				x := reflect.New(t).Elem()
				x.Field(i).Set(v)
				out = append(out, x)
			}
		}
		return out
	}
	panic("no variants of " + t.String())
}

// Builds compare digests to detect changed members. If the digest ignored a field, a change of that field would leave
// an outdated chunk in the bundle.
func TestDigestDependsOnEveryFieldOfAMember(t *testing.T) {
	seen := map[string]string{}
	all := variants(reflect.TypeFor[wire.Member]())
	for _, m := range all {
		for _, bucket := range []wire.RosterBucket{{Members: []wire.Member{m.Interface().(wire.Member)}},
			{
				Members: []wire.Member{m.Interface().(wire.Member), {}},
			}, {Members: []wire.Member{{}, m.Interface().(wire.Member)}}} {
			d, err := digest(bucket)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%+v", bucket)
			if other, twice := seen[d]; twice {
				t.Errorf("one digest for\n%s\n%s", other, what)
			}
			seen[d] = what
		}
	}
	if len(all) < 20 {
		t.Errorf("%d variants", len(all))
	}
}

func TestBadgesChunkIsCanonicalJSON(t *testing.T) {
	for _, data := range [][]string{{""}, {"a"}, {"ab", "abc", "\xff\xfe\x00"}, {strings.Repeat("?>~", 99), "x"}} {
		b := &Built{Chunks: map[string][]byte{}}
		var files []heldFile
		var want wire.BadgesBucket
		for _, d := range data {
			files = append(files, heldFile{File{Data: []byte(d)}, wire.Hash([]byte(d))})
			want.Credentials = append(want.Credentials, []byte(d))
		}
		if err := b.encodeBadges(&Site{}, wire.BadgesChunk(0), files); err != nil {
			t.Fatal(err)
		}
		canonical, err := wire.EncodeChunk(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Chunk(b.Manifest.Chunks[0].SHA256); err != nil || !bytes.Equal(got, canonical) {
			t.Errorf("%q: %s, want %s; %v", data, got, canonical, err)
		}
	}
}

// lazily returns a copy of the site that loads badges by their hashes, and a counter of loaded badges.
func (c *crowd) lazily() (*Site, *int) {
	data, reads := map[string][]byte{}, new(int)
	s := &Site{Policy: c.Policy, Members: c.Members, Status: c.Status, Web: c.Web, text: c.text}
	for _, f := range c.Badges {
		sha := wire.Hash(f.Data)
		data[sha] = bytes.Clone(f.Data)
		s.Badges = append(s.Badges, File{Name: f.Name, Hash: sha})
	}
	s.Load = func(sha string) ([]byte, error) {
		*reads++
		b, ok := data[sha]
		if !ok {
			return nil, errors.New("no such row")
		}
		return b, nil
	}
	return s, reads
}

// The test makes random changes. After each change, the test builds the site without a cache, with a cache, and with
// a cache and badges that are loaded only if necessary.
func TestIncrementalBuildsEqualFullBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds many bundles")
	}
	c := newCrowd(t, 40, 2)
	o := order(t, 1)
	memory, lazy := &Memory{}, &Memory{}
	read := 0
	builds := sample.Count(100)
	for range builds {
		what := c.change(t)
		o.Memory = nil
		want, err1 := c.Build(o)
		o.Memory = memory
		got, err2 := c.Build(o)
		s, reads := c.lazily()
		o.Memory = lazy
		late, err3 := s.Build(o)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(what, err)
		}
		read += *reads
		same(t, what, got, want)
		same(t, what, late, want)
	}
	if all := builds * 80; read == 0 || read > all/2 {
		t.Errorf("%d badges were read in %d builds of about 80", read, builds)
	}
}

func TestBuildWithACacheLoadsOnlyTheBadgesOfTheChangedBucket(t *testing.T) {
	c := newCrowd(t, 300, 1)
	o := order(t, 1)
	o.Memory = &Memory{}
	s, reads := c.lazily()
	if _, err := s.Build(o); err != nil {
		t.Fatal(err)
	}
	*reads = 0
	c.award(t, 7, 3)
	s, reads = c.lazily()
	b, err := s.Build(o)
	if err != nil || len(b.Chunks) != 3 { // new: the policy, and the roster and badges of the changed bucket
		t.Fatal(len(b.Chunks), err)
	}
	if *reads > 20 {
		t.Errorf("%d badges were read for one that is new", *reads)
	}
}

func TestDamagedBadgeIsLeftOut(t *testing.T) {
	c := newCrowd(t, 3, 2)
	o := order(t, 1)
	o.Memory = &Memory{}
	s, _ := c.lazily()
	if b, err := s.Build(o); err != nil || b.Counted != 6 {
		t.Fatal(err)
	}
	load, bad := s.Load, s.Badges[2]
	s.Load = func(sha string) ([]byte, error) {
		b, err := load(sha)
		if sha == bad.Hash {
			b = append(bytes.Clone(b), ' ')
		}
		return b, err
	}
	s.Members[1].Name = "the bucket is made anew"
	o.Memory.chunks = nil
	b, err := s.Build(o)
	if err != nil || b.Counted != 5 ||
		!slices.ContainsFunc(b.Warnings, func(w string) bool { return strings.HasPrefix(w, bad.Name+": ") }) {
		t.Fatalf("%v, %d count, %q", err, b.Counted, b.Warnings)
	}
	s.Load = func(string) ([]byte, error) { return nil, errors.New("database is locked") }
	if _, err := s.Build(o); err == nil {
		t.Error("a bundle was built of badges that cannot be read")
	}
	s.Load = load
	if b, err := s.Build(o); err != nil || b.Counted != 6 {
		t.Errorf("once it is whole again: %v", err)
	}
}

// After a change of issuers, only the badges of the changed issuers are verified again.
func TestOnlyBadgesOfAChangedIssuerAreVerifiedAgain(t *testing.T) {
	c := newCrowd(t, 20, 2)
	o := order(t, 1)
	o.Memory = &Memory{}
	verified := func() int {
		t.Helper()
		before := map[*cachedVerdict]bool{}
		for _, r := range o.Memory.verdicts {
			before[r] = true
		}
		if _, err := c.Build(o); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range o.Memory.verdicts {
			if !before[r] {
				n++
			}
		}
		return n
	}
	if n := verified(); n != 40 {
		t.Fatalf("%d at first", n)
	}
	if n := verified(); n != 0 {
		t.Errorf("%d were verified again though nothing changed", n)
	}
	text := c.text
	c.write(t, bytes.Replace(text, []byte("issuers:\n"), []byte("issuers:\n  new: { name: New, "+
		"keys: [\"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK\"] }\n"), 1))
	if n := verified(); n != 0 {
		t.Errorf("%d were verified again for a new issuer", n)
	}
	c.write(t, bytes.Replace(text, []byte("did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy"),
		[]byte("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"), 1))
	if n := verified(); n != 40 {
		t.Errorf("%d were verified again for another key of their issuer", n)
	}
	c.write(t, text)
	if n := verified(); n != 40 {
		t.Errorf("%d were verified again for the key of before", n)
	}
}
