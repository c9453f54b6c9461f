package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestGenerationsAreSixteenHexadecimalDigitsOrEmpty(t *testing.T) {
	for g, ok := range map[Generation]bool{"": true, "0123456789abcdef": true, "0123456789ABCDEF": false,
		"0123456789abcde":   false,
		"0123456789abcdef0": false, "0123456789abcdeg": false, "../../../../laser": false, "\x00": false} {
		if err := g.Check(); (err == nil) != ok {
			t.Errorf("%q: %v", string(g), err)
		}
	}
	g, err := NewGeneration(bytes.NewReader([]byte{0, 1, 2, 3, 4, 5, 6, 0xab}))
	if err != nil || g != "00010203040506ab" || g.Check() != nil {
		t.Errorf("%q, %v", g, err)
	}
	if _, err := NewGeneration(strings.NewReader("short")); err == nil {
		t.Error("a generation was made of 5 bytes")
	}
}

func TestOriginNamesTheGeneration(t *testing.T) {
	for g, want := range map[Generation]string{"": "portillon/biklab/laser",
		"0123456789abcdef": "portillon/biklab/laser/0123456789abcdef"} {
		if got := g.Origin("biklab", "laser"); got != want {
			t.Errorf("%q: %s", g, got)
		}
	}
}

// If the journal has no generation, the machine must send the same bytes as releases without generations.
func TestEmptyGenerationIsLeftOutOfMessages(t *testing.T) {
	for _, v := range []any{Batch{}, Ack{}, State{}, Record{}} {
		b, err := json.Marshal(v)
		if err != nil || bytes.Contains(b, []byte("eneration")) || bytes.Contains(b, []byte("poch")) {
			t.Errorf("%s, %v", b, err)
		}
	}
}

func TestBatchesWithAMalformedGenerationAreRefused(t *testing.T) {
	s, _ := keys(t)
	text := string(batch(t, s, sample(t)))
	b, _, err := ParseBatch([]byte(withFields(text, `"generation":"0123456789abcdef"`)))
	if err != nil || b.Generation != "0123456789abcdef" {
		t.Errorf("%q, %v", b.Generation, err)
	}
	for _, g := range []string{"x", "0123456789ABCDEF", "0123456789abcdef/vinyl"} {
		if _, _, err := ParseBatch([]byte(withFields(text, `"generation":"`+g+`"`))); err == nil {
			t.Errorf("generation %q is taken", g)
		}
	}
}
