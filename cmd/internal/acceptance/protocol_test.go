package acceptance

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func keyPair(t testing.TB, seed byte) (note.Signer, note.Verifiers) {
	t.Helper()
	private, public, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), "laser.rig")
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
	return s, note.VerifierList(v)
}

func sample() Protocol {
	return Protocol{Site: "rig", Machine: "laser", Wiring: strings.Repeat("ab", 32), Program: "0.1",
		Computer: "Raspberry Pi 4 Model B Rev 1.4", Clock: "trusted", Began: day, Ended: day.Add(1e12),
		By: "Karim", Results: []Result{{"tap", Passed, day, "Karim", ""}, {"door", Skipped, day, "Karim",
			"no | door\nhere"}}}
}

func TestOpenReturnsTheProtocolThatWasSigned(t *testing.T) {
	s, keys := keyPair(t, 1)
	p := sample()
	data, err := p.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(data, keys)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text() != p.Text() || got.Results[1].Why != "no / door here" || !got.Passed() || got.Count(Skipped) != 1 {
		t.Errorf("%+v", got)
	}
	_, others := keyPair(t, 2)
	if _, err := Open(data, others); err == nil {
		t.Error("another key's protocol is accepted")
	}
	for i := range data { // change one bit of each byte, one byte after the other
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if got, err := Open(bad, keys); err == nil && got.Text() != p.Text() {
			t.Fatalf("byte %d may be changed", i)
		}
	}
}

func TestProtocolHasPassedIfAStepPassedAndTheOthersPassedOrWereSkipped(t *testing.T) {
	for _, c := range []struct {
		want     bool
		verdicts []Verdict
	}{{false, nil}, {true, []Verdict{Passed}}, {true, []Verdict{Passed, Skipped}}, {false, []Verdict{Skipped}}, {false,
		[]Verdict{Passed, Failed}}, {false, []Verdict{Passed, ""}}} {
		p := Protocol{}
		for _, v := range c.verdicts {
			p.Results = append(p.Results, Result{Verdict: v})
		}
		if p.Passed() != c.want {
			t.Errorf("%q passes: %t", c.verdicts, p.Passed())
		}
	}
}

func TestResultLineOfAProtocolContainsTheNumberOfSkippedSteps(t *testing.T) {
	failed := sample()
	failed.Results[0].Verdict = Failed
	none := sample()
	none.Results = none.Results[:1]
	for want, p := range map[string]Protocol{"passed, 1 skipped": sample(), "passed": none,
		"not passed, 1 skipped": failed} {
		if !strings.Contains(p.Text(), "\nresult: "+want+"\n") {
			t.Errorf("no result %q in\n%s", want, p.Text())
		}
	}
}

func TestLastReturnsTheNewestProtocolSignedByThisMachine(t *testing.T) {
	s, keys := keyPair(t, 1)
	other, _ := keyPair(t, 2)
	dir := t.TempDir()
	if _, err := Last(filepath.Join(dir, "none"), keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	put := func(name string, s note.Signer, change func(*Protocol)) {
		p := sample()
		change(&p)
		data, err := p.Sign(s)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("2026-01.txt", s, func(p *Protocol) { p.By = "first" })
	put("2026-02.txt", s, func(p *Protocol) { p.By = "second" })
	put("2026-04.txt", other, func(*Protocol) {})
	os.WriteFile(filepath.Join(dir, "2026-05.txt"), []byte("garbage"), 0o600)
	os.WriteFile(filepath.Join(dir, "2026-06.txt"), make([]byte, maxProtocol+1), 0o600)
	if got, err := Last(dir, keys); err != nil || got.By != "second" {
		t.Errorf("%+v %v", got, err)
	}
	// The failed protocol is newer than the passed protocol.
	put("2026-03.txt", s, func(p *Protocol) { p.Results[0].Verdict = Failed })
	if got, err := Last(dir, keys); err != nil || got.Passed() {
		t.Errorf("after a failed test: %+v %v", got, err)
	}
}

func TestLastFindsAProtocolThatFollowsOneDatedInTheFuture(t *testing.T) {
	s, keys := keyPair(t, 1)
	dir := t.TempDir()
	for _, x := range []struct {
		by    string
		years int
	}{{"ahead", 73}, {"corrected", 0}, {"later", 0}} {
		p := sample()
		p.By = x.by
		data, err := p.Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(File(dir, day.AddDate(x.years, 0, 0)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Last(dir, keys); err != nil || got.By != x.by {
			t.Errorf("the last protocol is %q's (%v), want %q's", got.By, err, x.by)
		}
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "*.txt")); len(all) != 3 {
		t.Errorf("files: %q", all)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Text())
	f.Add(strings.Replace(sample().Text(), "result: passed", "result: not passed", 1))
	f.Add("")
	f.Add(title + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := Parse(text); err == nil && p.Text() != text {
			t.Errorf("%q is read as %q", text, p.Text())
		}
	})
}

func FuzzOneLine(f *testing.F) {
	f.Add("a\nb\x1b[2J", "é")
	f.Add(strings.Repeat("é", maxText), "|")
	f.Fuzz(func(t *testing.T, name, why string) {
		p := sample()
		p.By, p.Computer, p.Results[0].Why, p.Results[1].By = name, why, why, name
		got, err := Parse(p.Text())
		if err != nil || got.Text() != p.Text() {
			t.Errorf("%q %q: %v", name, why, err)
		}
	})
}
