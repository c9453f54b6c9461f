package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// partsSite is a site whose members are in one bucket, and whose bundles the test builds.
type partsSite struct {
	t       testing.TB
	members []Member
	badges  map[string][]byte // credentials by hash
	store   Store
	signer  note.Signer
	version uint64
	chunks  map[string][]byte
	m       Manifest
}

func newPartsSite(t testing.TB, members int) *partsSite {
	t.Helper()
	s := &partsSite{t: t, badges: map[string][]byte{}, store: store(t), chunks: map[string][]byte{}}
	s.signer, _ = keys(t)
	for i := range members {
		s.members = append(s.members, Member{ID: fmt.Sprintf("m-%d", i), Name: `a "quoted", [name] {x} \ é`})
		s.award(i)
		s.award(i)
	}
	return s
}

func (s *partsSite) award(i int) {
	b := []byte(fmt.Sprintf("credential %d of %s: %s", len(s.badges), s.members[i].ID, strings.Repeat("x", 500)))
	s.badges[Hash(b)] = b
	s.members[i].Badges = append(s.members[i].Badges, Hash(b))
}

// build returns the signed manifest of the site's next bundle.
func (s *partsSite) build() []byte {
	s.t.Helper()
	s.version++
	var badges BadgesBucket
	for _, m := range s.members {
		for _, sha := range m.Badges {
			badges.Credentials = append(badges.Credentials, s.badges[sha])
		}
	}
	s.m = Manifest{Site: "biklab", Version: s.version}
	for _, c := range []struct {
		name string
		v    any
	}{{RosterChunk(0), RosterBucket{s.members}}, {BadgesChunk(0), badges}} {
		b, err := EncodeChunk(c.v)
		if err != nil {
			s.t.Fatal(err)
		}
		s.add(c.name, b)
	}
	s.add(PolicyChunk, []byte("policy"))
	signed, err := SignManifest(s.m, s.signer)
	if err != nil {
		s.t.Fatal(err)
	}
	return signed
}

func (s *partsSite) add(name string, b []byte) {
	s.chunks[Hash(b)] = b
	s.m.Chunks = append(s.m.Chunks, Chunk{name, Hash(b), int64(len(b))})
}

// faultyHub serves the site's chunks, and has the faults that its fields describe.
type faultyHub struct {
	*partsSite
	sent   int      // number of bytes that the hub has sent
	whole  []string // names of the chunks that were fetched whole
	asked  int      // number of requests for parts that the hub has received
	change func(what string, b []byte) ([]byte, error)
}

func (h *faultyHub) answer(what string, b []byte) ([]byte, error) {
	var err error
	if h.change != nil {
		b, err = h.change(what, b)
	}
	h.sent += len(b)
	return b, err
}

func (h *faultyHub) Whole(c Chunk) ([]byte, error) {
	h.whole = append(h.whole, c.Name)
	return h.answer("whole", h.chunks[c.SHA256])
}

func (h *faultyHub) Outline(c Chunk) ([]byte, error) {
	p, err := SplitChunk(h.chunks[c.SHA256])
	if err != nil {
		return nil, ErrNoParts
	}
	b, err := json.Marshal(p.Outline())
	if err != nil {
		return nil, err
	}
	return h.answer("outline", b)
}

func (h *faultyHub) Parts(c Chunk, hashes []string) ([]byte, error) {
	h.asked += len(hashes)
	p, err := SplitChunk(h.chunks[c.SHA256])
	if err != nil {
		return nil, ErrNoParts
	}
	var out [][]byte
	for _, sha := range hashes {
		i := slices.Index(p.Hashes, sha)
		if i < 0 {
			return nil, ErrFetchWhole
		}
		out = append(out, p.Elements[i])
	}
	return h.answer("parts", JoinParts(AnsweredParts, out))
}

// install installs the site's next bundle with the assembler.
func (s *partsSite) install(a *Assembler) error {
	signed := s.build()
	_, err := s.store.Install(signed, a.Fetch(s.m), nil)
	return err
}

func TestAfterANewBadgeOnlyOutlineMemberAndBadgeAreTransferred(t *testing.T) {
	s := newPartsSite(t, 100)
	h := &faultyHub{partsSite: s}
	a := &Assembler{Store: s.store, Source: h}
	if err := s.install(a); err != nil || len(h.whole) != 3 || h.asked != 0 {
		t.Fatalf("%v, whole: %q, %d parts", err, h.whole, h.asked)
	}
	s.award(50)
	h.sent, h.whole = 0, nil
	if err := s.install(a); err != nil || len(h.whole) != 0 || h.asked != 2 {
		t.Errorf("%v, whole: %q, %d parts", err, h.whole, h.asked)
	}
	if outline := 100 * 67; h.sent > outline+2000 {
		t.Errorf("%d bytes were sent, the outline has about %d", h.sent, outline)
	}
}

func TestFaultyPartsMakeTheMachineFetchTheWholeChunk(t *testing.T) {
	other := Hash([]byte("other"))
	for name, c := range map[string]struct {
		change func(what string, b []byte) ([]byte, error)
		whole  []string
	}{
		"a hub of before": {func(w string, b []byte) ([]byte, error) { return b, onlyWhole(w, ErrNoParts) },
			[]string{"roster/00", "badges/00"}},
		"no such part": {func(w string, b []byte) ([]byte, error) { return b, onlyWhole(w, ErrFetchWhole) },
			[]string{"roster/00", "badges/00"}},
		"a lying part": {onParts(func(b []byte) []byte { return bytes.Replace(b, []byte(`m-5`), []byte(`m-6`), 1) }),
			[]string{"roster/00"}},
		"no parts": {onParts(func([]byte) []byte { return []byte(`{"parts":[]}`) }),
			[]string{"roster/00", "badges/00"}},
		"one part more": {onParts(func(b []byte) []byte { return append(b[:len(b)-2], `,{}]}`...) }),
			[]string{"roster/00", "badges/00"}},
		"no JSON": {onParts(func([]byte) []byte { return []byte("<html>") }), []string{"roster/00", "badges/00"}},
		"an open string": {onParts(func([]byte) []byte { return []byte(`{"parts":["]}`) }),
			[]string{"roster/00", "badges/00"}},
		"another list": {onParts(func(b []byte) []byte { return bytes.Replace(b, []byte("parts"), []byte("lists"), 1) }),
			[]string{"roster/00", "badges/00"}},
		"a lying outline": {onOutline(func(o *Outline) { o.Parts[0], o.Parts[1] = o.Parts[1], o.Parts[0] }),
			[]string{"roster/00"}},
		"outline too long": {onOutline(func(o *Outline) { o.Parts = slices.Repeat(o.Parts, 2) }), []string{"roster/00"}},
		"an outline's own": {onOutline(func(o *Outline) { o.Parts = append(o.Parts, other) }), []string{"roster/00"}},
		"no hash in it":    {onOutline(func(o *Outline) { o.Parts[3] = "../../etc/passwd" }), []string{"roster/00"}},
		"of another list":  {onOutline(func(o *Outline) { o.List = "credentials" }), []string{"roster/00"}},
	} {
		s := newPartsSite(t, 20)
		h := &faultyHub{partsSite: s}
		a := &Assembler{Store: s.store, Source: h}
		if err := s.install(a); err != nil {
			t.Fatal(err)
		}
		s.award(5)
		h.change, h.whole = c.change, nil
		if err := s.install(a); err != nil || !slices.Equal(h.whole, c.whole) {
			t.Errorf("%s: %v, whole: %q, want %q", name, err, h.whole, c.whole)
		}
		if m, err := s.store.Current(); err != nil || m.Version != 2 || len(s.store.Damaged(m)) > 0 {
			t.Errorf("%s: %v, version %d", name, err, m.Version)
		}
	}
}

func onlyWhole(what string, otherwise error) error {
	if what == "whole" {
		return nil
	}
	return otherwise
}

func onParts(f func([]byte) []byte) func(string, []byte) ([]byte, error) {
	return func(what string, b []byte) ([]byte, error) {
		if what == "parts" {
			b = f(bytes.Clone(b))
		}
		return b, nil
	}
}

func onOutline(f func(*Outline)) func(string, []byte) ([]byte, error) {
	return func(what string, b []byte) ([]byte, error) {
		var o Outline
		if what != "outline" {
			return b, nil
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return nil, err
		}
		f(&o)
		return json.Marshal(o)
	}
}

// If a hub sends an outline that lists parts of other chunks, this must not fill the machine's memory.
func TestPartsOfAChunkAreLimitedByTheSizeOfTheChunk(t *testing.T) {
	if testing.Short() {
		t.Skip("short: assembles bundles of many parts")
	}
	s := newPartsSite(t, 2000)
	h := &faultyHub{partsSite: s}
	a := &Assembler{Store: s.store, Source: h}
	if err := s.install(a); err != nil {
		t.Fatal(err)
	}
	s.members[0].Name = "other"
	big := func(i int) []byte { return []byte(fmt.Sprintf(`"%06d%s"`, i, strings.Repeat("A", 1022*3))) }
	made := map[string]int{}
	h.change = onOutline(func(o *Outline) {
		for i := range 900 {
			sha, err := PartHash(big(i))
			if err != nil {
				t.Fatal(err)
			}
			made[sha], o.Parts[i] = i, sha
		}
	})
	asks := 0
	liar := &lyingParts{h, func(hashes []string) []byte {
		asks++
		var out [][]byte
		for _, sha := range hashes {
			out = append(out, big(made[sha]))
		}
		return JoinParts(AnsweredParts, out)
	}}
	a.Source = liar
	h.whole = nil
	signed := s.build()
	roster, _ := s.m.Chunk(RosterChunk(0))
	if int64(200*3074) > 2*roster.Size {
		t.Fatalf("the roster chunk has %d bytes", roster.Size)
	}
	if _, err := s.store.Install(signed, a.Fetch(s.m), nil); err != nil || !slices.Contains(h.whole, RosterChunk(0)) {
		t.Errorf("%v, whole: %q", err, h.whole)
	}
	if asks > 2 {
		t.Errorf("%d asks were answered before the bytes were counted", asks)
	}
}

type lyingParts struct {
	*faultyHub
	parts func([]string) []byte
}

func (l *lyingParts) Parts(_ Chunk, hashes []string) ([]byte, error) { return l.parts(hashes), nil }

func TestReceivedPartsAreReusedAfterTheConnectionWasLost(t *testing.T) {
	if testing.Short() {
		t.Skip("short: assembles bundles of many parts")
	}
	s := newPartsSite(t, 1500)
	h := &faultyHub{partsSite: s}
	a := &Assembler{Store: s.store, Source: h}
	if err := s.install(a); err != nil {
		t.Fatal(err)
	}
	for i := range 700 {
		s.members[i].Name = "other"
	}
	signed, lost, answers := s.build(), errors.New("connection lost"), 0
	h.change = func(what string, b []byte) ([]byte, error) {
		if answers++; answers%3 == 0 {
			return b[:len(b)/2], lost
		}
		return b, nil
	}
	tries := 0
	for ; ; tries++ {
		_, err := s.store.Install(signed, a.Fetch(s.m), nil)
		if err == nil {
			break
		}
		if codeOf(err) != "missing-chunk" || tries > 20 {
			t.Fatal(err)
		}
		if m, err := s.store.Current(); err != nil || m.Version != 1 {
			t.Fatalf("now in force: %d, %v", m.Version, err)
		}
	}
	if len(h.whole) != 3 || tries == 0 || h.asked > 700+tries*MaxAskedParts {
		t.Errorf("%d tries, %d parts were asked for, whole: %q", tries, h.asked, h.whole)
	}
}

func TestAssembledBundlesEqualTheBuiltOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("short: assembles bundles of many parts")
	}
	rng := rand.New(rand.NewPCG(7, 7))
	s := newPartsSite(t, 30)
	h := &faultyHub{partsSite: s}
	a := &Assembler{Store: s.store, Source: h}
	for step := range 60 {
		for range 1 + rng.IntN(3) {
			i := rng.IntN(len(s.members))
			switch rng.IntN(5) {
			case 0:
				s.award(i)
			case 1:
				s.members[i].Badges = s.members[i].Badges[:len(s.members[i].Badges)/2]
			case 2:
				s.members[i].Name += `",`
			case 3:
				s.members = append(s.members, Member{ID: fmt.Sprintf("n-%d-%d", step, rng.Uint32()), Name: "new"})
			case 4:
				s.members = slices.Delete(s.members, i, i+1)
			}
			if len(s.members) == 0 {
				s.members = append(s.members, Member{ID: "last"})
			}
		}
		if err := s.install(a); err != nil {
			t.Fatal(step, err)
		}
		m, err := s.store.Current()
		if err != nil || m.Version != s.version || len(s.store.Damaged(m)) > 0 {
			t.Fatal(step, err)
		}
	}
	if h.asked == 0 {
		t.Error("nothing was assembled")
	}
}

func FuzzSplitAndJoinReturnTheSameChunk(f *testing.F) {
	f.Add([]byte(`{"members":[{"id":"a","name":"x\"],[\\"},{"id":"b"}]}`))
	f.Add([]byte(`{"credentials":["aGVsbG8=","eA=="]}`))
	f.Add([]byte(`{"lists":[]}`))
	f.Add([]byte(`{"members":[ ]}`))
	f.Add([]byte(`{"parts":[1,[2,3],"YQ==",{"a":[","]}]}`))
	f.Add([]byte(`{"members":[}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := SplitChunk(b)
		if err != nil {
			return
		}
		if got := JoinParts(p.List, p.Elements); !bytes.Equal(got, b) {
			t.Fatalf("%q became %q", b, got)
		}
		for i, e := range p.Elements {
			if sha, err := PartHash(e); err != nil || sha != p.Hashes[i] {
				t.Fatalf("%q: %v", e, err)
			}
		}
		var all map[string][]json.RawMessage
		// The test compares the number of elements only if the text is canonical JSON, because every chunk is.
		if IsCanonical(b) && json.Unmarshal(b, &all) == nil && len(all) == 1 && len(all[p.List]) != len(p.Elements) {
			t.Fatalf("%q has %d elements, want %d", b, len(p.Elements), len(all[p.List]))
		}
	})
}

func FuzzAnswersOfAHub(f *testing.F) {
	f.Add([]byte(`{"list":"members","parts":["` + strings.Repeat("0", 64) + `"]}`))
	f.Add([]byte(`{"parts":["` + strings.Repeat("f", 64) + `"]}`))
	f.Add([]byte(`{"critical":["x"],"parts":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := OpenOutline(b); err == nil && (len(o.Parts) > MaxParts || o.List == "") {
			t.Errorf("%+v", o)
		}
		if all, err := OpenPartsAsk(b); err == nil && (len(all) == 0 || len(all) > MaxAskedParts) {
			t.Errorf("%d are asked for", len(all))
		}
	})
}
