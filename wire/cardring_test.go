package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestMachineChoosesTheCardKeyOfItsBundle(t *testing.T) {
	a, b, c := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	for name, x := range map[string]struct {
		check  string
		keys   [][]byte
		chosen []byte
		others int
		fails  bool
	}{
		"the first":            {MarkOf(a), [][]byte{a, b}, a, 1, false},
		"the second":           {MarkOf(b), [][]byte{a, b}, b, 1, false},
		"one key twice":        {MarkOf(a), [][]byte{a, a}, a, 0, false},
		"an older builder":     {"", [][]byte{a, b}, a, 1, false},
		"none of them":         {MarkOf(c), [][]byte{a, b}, nil, 0, true},
		"a key cannot be read": {MarkOf(c), nil, nil, 0, false},
	} {
		chosen, others, err := ChooseCardKey(Manifest{CardCheck: x.check}, x.keys...)
		var other *OtherCardKey
		if !bytes.Equal(chosen, x.chosen) || len(others) != x.others || errors.As(err, &other) != x.fails {
			t.Errorf("%s: %x, %d others, %v", name, chosen, len(others), err)
		}
		if x.fails && (other.Here != MarkOf(a) || other.Bundle != x.check) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCutCardSplitsMarkAndHash(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	if check, rest := CutCard(MarkCard("1a2b3c4d", hash)); check != "1a2b3c4d" || rest != hash {
		t.Error(check, rest)
	}
	if check, rest := CutCard(hash); check != "" || rest != hash {
		t.Error(check, rest)
	}
	for entry, want := range map[string]bool{hash: true, "1a2b3c4d:" + hash: true, "1A2B3C4D:" + hash: false,
		"1a2b3c4g:" + hash: false,
		"1a2b:" + hash:     false, "1a2b3c4d:" + hash[1:]: false, "": false, ":": false} {
		if IsCardEntry(entry) != want {
			t.Errorf("%q: %v", entry, !want)
		}
	}
}

func TestEncryptedNumberOpensOnlyForItsHubAndMachine(t *testing.T) {
	k, err := NewSealKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	number := []byte{4, 0xa2, 0x24, 0, 0, 0, 1}
	sealed, err := SealNumber(k.Public(), "biklab", "laser", number)
	if err != nil || len(sealed) > maxSealed || strings.Contains(sealed, hex.EncodeToString(number)) {
		t.Fatal(sealed, err)
	}
	if got, err := OpenNumber(sealed, "biklab", "laser", []SealKey{k}); err != nil || !bytes.Equal(got, number) {
		t.Errorf("%x %v", got, err)
	}
	if _, err := OpenNumber(sealed, "biklab", "vinyl", []SealKey{k}); err == nil {
		t.Error("another machine's seal was opened")
	}
	if _, err := OpenCard(sealed, "biklab", "laser", []SealKey{k}); err == nil {
		t.Error("a sealed number was taken for an unknown card")
	}
	if _, err := OpenNumber(sealed, "biklab", "laser", nil); !errors.Is(err, ErrNoSealKey) {
		t.Error(err)
	}
	card, err := SealCard(
		k.Public(),
		"biklab",
		"laser",
		EnrolCard{Code: "000000", Card: strings.Repeat("ab", 32), Key: "1a2b3c4d"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNumber(card, "biklab", "laser", []SealKey{k}); err == nil {
		t.Error("an unknown card was taken for a sealed number")
	}
	if got, err := OpenCard(card, "biklab", "laser", []SealKey{k}); err != nil || got.Key != "1a2b3c4d" {
		t.Error(got, err)
	}
}

func FuzzCardKeys(f *testing.F) {
	f.Add(`{"keys":["`+strings.Repeat("5a", 32)+`"]}`, "1a2b3c4d:"+strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, text, entry string) {
		var c CardKeys
		if Decode([]byte(text), &c) == nil {
			if keys, err := c.Bytes(); err == nil && (len(keys) == 0 || len(keys) > MaxCardKeys || len(keys[0]) < 16) {
				t.Errorf("%q gives %d keys", text, len(keys))
			}
		}
		if check, hash := CutCard(entry); check != "" && MarkCard(check, hash) != entry {
			t.Errorf("%q is %q and %q", entry, check, hash)
		}
		if s, err := ParseState([]byte(text)); err == nil && len(s.CardKey) > 16 {
			t.Errorf("%q", s.CardKey)
		}
	})
}
