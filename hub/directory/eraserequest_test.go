package directory

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestErasureRequestsWaitForAnAdministrator(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	lea, tom, zoe := w.add("Léa"), w.add("Tom"), w.add("Zoé")
	w.audit = nil
	list := func() string {
		t.Helper()
		var out []string
		for _, r := range must[[]ErasureRequest](t)(w.Erasures.Requests(ctx, owner)) {
			out = append(out, r.Name)
		}
		return strings.Join(out, " ")
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first := w.now
	do(w.Erasures.Request(ctx, asMember(tom.ID)))
	w.now = w.now.Add(time.Hour)
	do(w.Erasures.Request(ctx, asMember(lea.ID)))
	do(w.Erasures.Request(ctx, asMember(tom.ID))) // a second request keeps the time of the first
	if got := list(); got != "Tom Léa" {
		t.Errorf("requests of %s, want Tom Léa", got)
	}
	if at := must[time.Time](t)(w.Erasures.Requested(ctx, asMember(tom.ID))); !at.Equal(first) {
		t.Errorf("requested at %v, want %v", at, first)
	}
	if at := must[time.Time](t)(w.Erasures.Requested(ctx, asMember(zoe.ID))); !at.IsZero() {
		t.Errorf("a member without a request asked at %v", at)
	}
	do(w.Erasures.Withdraw(ctx, asMember(lea.ID)))
	do(w.Erasures.Withdraw(ctx, asMember(lea.ID)))
	do(w.Erasures.Withdraw(ctx, asMember(zoe.ID)))
	if got := list(); got != "Tom" {
		t.Errorf("requests of %s, want Tom", got)
	}
	want := fmt.Sprintf("[own.erasure member %s: erasure requested own.erasure member %s: erasure requested "+
		"own.erasure member %s: erasure request withdrawn]", tom.ID, lea.ID, lea.ID)
	if got := fmt.Sprint(w.audit); got != want {
		t.Errorf("audit log %s, want %s", got, want)
	}
	if m := w.member(tom.ID); m.Name != "Tom" {
		t.Error("a request erased the member")
	}
	// A merge moves the request, and the erasure removes it.
	must[Member](t)(w.Members.Merge(ctx, owner, zoe.ID, tom.ID))
	if got := list(); got != "Zoé" {
		t.Errorf("after the merge: requests of %s, want Zoé", got)
	}
	do(w.Erasures.Erase(ctx, owner, zoe.ID, w.member(zoe.ID).Version))
	if got := list(); got != "" {
		t.Errorf("after the erasure: requests of %s", got)
	}
}
