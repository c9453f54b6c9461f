package directory

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"portillon/hub/store"
	"portillon/policy"
)

// countVerified calls Verify without fetching, and returns the number of badges that Verify did not skip.
func (w *world) countVerified() int {
	w.t.Helper()
	before := map[string]*basis{}
	for id, b := range w.Members.core.bases.of {
		before[id] = b
		// Copy each basis to a new address: if the pointer has changed after Verify, Verify stored a new basis.
		w.Members.core.bases.of[id] = &basis{trust: b.trust, issuer: b.issuer, documents: b.documents, until: b.until}
		before[id] = w.Members.core.bases.of[id]
	}
	if err := w.Verdicts.Verify(w.t.Context(), false); err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for id, b := range w.Members.core.bases.of {
		if before[id] != b {
			n++
		}
	}
	return n
}

// withKey returns the policy with another key for the first issuer, and with additional issuers.
func (w *world) withKey(key string, more ...policy.Issuer) *policy.Policy {
	p := *w.policy
	p.Issuers = slices.Clone(p.Issuers)
	p.Issuers[0].Keys = []string{key}
	p.Issuers = append(p.Issuers, more...)
	return &p
}

// setLists replaces every status list.
func (w *world) setLists(data []byte) {
	w.t.Helper()
	err := w.Members.core.site.Write(w.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(w.t.Context(), `UPDATE status_list SET data = $2 WHERE site = $1`, data)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

const anotherKey = "did:key:z6MkkNUhEch1T8ak3Jtc8xHfhShXsq4kuc49GxmY8o67Kjyw"

func TestVerifyChecksOnlyChangedBadges(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	all := w.countVerified()
	if all < 10 {
		t.Fatalf("%d badges", all)
	}
	if n := w.countVerified(); n != 0 {
		t.Errorf("%d were judged again though nothing changed", n)
	}
	first, key := w.policy, w.policy.Issuers[0].Keys[0]
	w.policy = w.withKey(
		key,
		policy.Issuer{ID: "new", Name: "New", Profile: "https://new.example/profile", Keys: []string{anotherKey}},
	)
	if n := w.countVerified(); n != 0 {
		t.Errorf("%d were judged again for an issuer of none of them", n)
	}
	w.policy = first
	w.policy = w.withKey(anotherKey)
	if n := w.countVerified(); n != all {
		t.Errorf("%d of %d were judged again for another key of their issuer", n, all)
	}
	w.policy = first
	if n := w.countVerified(); n != all {
		t.Errorf("%d of %d were judged again for the key of before", n, all)
	}
	list, err := os.ReadFile(filepath.Join(example, "status", "biklab.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.setLists(append(bytes.Clone(list), ' '))
	if n := w.countVerified(); n == 0 {
		t.Error("none was judged again for another status list")
	}
	if err := w.Verdicts.Verify(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if n := w.countVerified(); n != 0 {
		t.Errorf("%d were judged again after all were", n)
	}
}

// After every change, a service with an empty cache verifies all badges and finds no verdict to write. This shows
// that the badges that the first service skipped would have received the same verdict.
func TestBadgesThatVerifySkipsWouldGetTheSameVerdict(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	w := newWorld(t)
	w.importSite(example)
	first, rng := w.policy, rand.New(rand.NewPCG(3, 3))
	list, err := os.ReadFile(filepath.Join(example, "status", "biklab.json"))
	if err != nil {
		t.Fatal(err)
	}
	for step := range 12 {
		what := ""
		switch rng.IntN(5) {
		case 0:
			w.policy, what = first, "the policy of the example"
		case 1:
			w.policy = first
			w.policy, what = w.withKey(anotherKey), "another key"
		case 2:
			w.policy, what = w.withKey(w.policy.Issuers[0].Keys[0], policy.Issuer{ID: policy.IssuerID(fmt.Sprintf("i-%d", step)),
				Profile: fmt.Sprintf("https://i-%d.example/", step), Keys: []string{anotherKey}}), "one more issuer"
		case 3:
			what = "another status list"
			data := append(bytes.Clone(list), bytes.Repeat([]byte(" "), rng.IntN(3))...)
			if rng.IntN(3) == 0 {
				data = []byte("no list")
			}
			w.setLists(data)
		case 4:
			w.now, what = w.now.Add(time.Minute), "a minute later"
		}
		w.countVerified()
		g := must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Generation
		other := must[*Services](t)(New(*w.o))
		if err := other.Verdicts.Verify(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		if now := must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Generation; now != g {
			t.Fatalf("step %d, %s: a service that has judged nothing yet wrote other verdicts", step, what)
		}
	}
}
