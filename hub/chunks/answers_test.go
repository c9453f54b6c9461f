package chunks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"portillon/wire"
)

// entryOf returns a chunk that contains a roster with the given number of members, and the hashes of its parts.
func entryOf(t *testing.T, members int) (*entry, []string) {
	t.Helper()
	var b wire.RosterBucket
	for i := range members {
		b.Members = append(b.Members, wire.Member{ID: fmt.Sprintf("m-%04d", i), Name: strings.Repeat("x", 50)})
	}
	raw, err := wire.EncodeChunk(b)
	if err != nil {
		t.Fatal(err)
	}
	e := &entry{raw: raw}
	p, err := e.parts()
	if err != nil {
		t.Fatal(err)
	}
	return e, p.Hashes
}

func TestConcurrentRequestsShareOneAnswer(t *testing.T) {
	e, hashes := entryOf(t, 200)
	for _, ask := range []func() (*body, error){
		e.outline,
		func() (*body, error) { return e.answer(hashes[:2]) },
		func() (*body, error) { return e.answer([]string{hashes[1], hashes[0]}) },
	} {
		first, err1 := ask()
		again, err2 := ask()
		if err1 != nil || err2 != nil || first != again || len(first.gzip) == 0 || len(first.gzip) >= len(first.raw) {
			t.Errorf("%p, %v, then %p, %v", first, err1, again, err2)
		}
	}
	a, _ := e.answer(hashes[:2])
	b, _ := e.answer([]string{hashes[1], hashes[0]})
	if slices.Equal(a.raw, b.raw) {
		t.Error("parts in another order got the same answer")
	}
}

func TestCachedAnswersAreBounded(t *testing.T) {
	e, hashes := entryOf(t, 200)
	first, _ := e.answer(hashes[:1])
	for i := range 20 {
		if _, err := e.answer(hashes[i : i+2]); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(e.answers.all); n != maxAnswers {
		t.Errorf("%d answers are kept, want %d", n, maxAnswers)
	}
	if again, _ := e.answer(hashes[:1]); again == first {
		t.Error("the answer that was asked for least recently is kept")
	}
	kept := len(e.answers.all)
	if b, err := e.answer(hashes[:150]); err != nil || len(b.raw) < len(e.raw)/2 {
		t.Error(len(b.raw), err)
	}
	if _, err := e.answer([]string{strings.Repeat("0", 64)}); err != noPart(strings.Repeat("0", 64)) {
		t.Error(err)
	}
	if n := len(e.answers.all); n >= kept+1 || slices.ContainsFunc(e.answers.all, func(a *answer) bool {
		return a.body.err != nil || len(a.body.raw) > len(e.raw)/maxAnswers
	}) {
		t.Errorf("%d answers are kept, a large one or an error among them", n)
	}
}
