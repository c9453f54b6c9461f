package main

import (
	"bytes"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/acceptance"
)

// protocolKeys returns the machine's keys in transcripts. The keys are the same in every run of the tests.
func protocolKeys() (private, public string, err error) {
	return note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{7}, 64)), "laser.biklab")
}

// writeProtocol writes a signed protocol with one step and its verdict. To write a protocol whose step has the verdict
// passed: write-protocol FILE x passed.
func writeProtocol() {
	private, _, err := protocolKeys()
	if err != nil {
		log.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		log.Fatal(err)
	}
	at := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	p := acceptance.Protocol{Site: "biklab", Machine: "laser", Wiring: strings.Repeat("ab", 32), Program: "0.1",
		Clock: "trusted", Began: at, Ended: at, By: "Karim",
		Results: []acceptance.Result{{Step: "tap", Verdict: acceptance.Verdict(os.Args[3]), At: at, By: "Karim"},
			{Step: "door", Verdict: acceptance.Skipped, At: at, By: "Karim", Why: "no door"}}}
	data, err := p.Sign(signer)
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// The wiring page and the program must list the same steps.
func TestWiringPageNamesEachAcceptanceStepOnce(t *testing.T) {
	page, err := os.ReadFile("../../firmware-config/README.md")
	if err != nil {
		t.Fatal(err)
	}
	// The page has no marks yet. As soon as the page has one mark, it must have a mark for every step.
	if !bytes.Contains(page, []byte("<!-- acceptance:")) {
		return
	}
	for _, s := range acceptance.Steps() {
		if n := bytes.Count(page, []byte(acceptance.Mark(s.ID))); n != 1 {
			t.Errorf("firmware-config/README.md has %s %d times, want once", acceptance.Mark(s.ID), n)
		}
	}
}
