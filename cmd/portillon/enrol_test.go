package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/policy"
	"portillon/wire"
)

// enrolDeadline is the time limit of each wait for another process or service.
const enrolDeadline = 60 * time.Second

// eventually polls until is returns true. Polling is necessary, because the other process or service sends no
// notification.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(enrolDeadline); !is(); {
		select {
		case <-end:
			t.Fatalf("not within %v: %s", enrolDeadline, what)
		case <-tick.C:
		}
	}
}

// checkAbsent fails if a file below dir contains one of these texts, in upper or lower case.
func checkAbsent(t *testing.T, dir string, texts ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // skip a socket, or a file that the broker has removed meanwhile
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		for _, s := range texts {
			if bytes.Contains(bytes.ToUpper(b), []byte(strings.ToUpper(s))) {
				t.Errorf("%s holds %q", path, s)
			}
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("only %d files were read: %v", files, err)
	}
}

// The test begins with an unknown card and ends with a session of its new owner. The test runs real daemons, their hub
// and the hub's broker.
func TestUnknownCardIsEnrolledByItsCodeAndStartsASession(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs the programs as processes")
	}
	const number, lea = "DEADBEEF01", "m-020dc2"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, err := openDemo(ctx, stdio{out: io.Discard, err: io.Discard}, "http://127.0.0.1")
	defer func() { d.close() }()
	if err != nil {
		t.Fatal(err)
	}
	laser := d.machines[0]
	english := policy.English
	atHub := enrolling{hub: d.hubFile(), site: d.path("site"), lang: &english, now: d.now}
	code := ""
	var found []seenCard
	// The machine may have written the record of the first tap before it received the hub's first acknowledgement, which
	// contains the seal key. The test therefore taps the card a second time.
	eventually(t, "the card at the hub", func() bool {
		rep := laser.ask(ctx, control.Request{Do: "tap", Card: number})
		m := regexp.MustCompile(`Unknown card: code ([0-9A-Z]{6})\.`).FindStringSubmatch(rep.EN)
		if rep.OK {
			t.Fatalf("the panel says %q", rep.EN)
		}
		if m == nil { // retry, because the machine may have no bundle yet, or ignores a card that it has just read
			return false
		}
		code = m[1]
		found, err = atHub.find(ctx, strings.ToLower(code[:3]+"-"+code[3:]))
		return err == nil
	})
	if found[0].Code != code || found[0].Machine != string(laser.id) || !wire.IsCardHash(found[0].Card) ||
		d.now().Sub(found[0].At).Abs() > enrolDeadline {
		t.Errorf("%+v", found[0])
	}
	checkAbsent(t, d.dir, number, code, found[0].Card)

	var out, errs bytes.Buffer
	err = memberAddCard(ctx, stdio{out: &out, err: &errs},
		[]string{code, lea, "--site", d.path("site"), "--socket", laser.socket(), "--lang", "en"})
	if err != nil {
		t.Fatal(err)
	}
	want := "the card " + code + " is Léa Martin's (" + lea + ")\n" + string(laser.id) + "  2026-11-23 10:"
	if !strings.Contains(out.String(), want) || strings.Contains(out.String(), found[0].Card) {
		t.Error(out.String())
	}
	_, before := d.hub.Manifest()
	if err := d.importMembers(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the bundle", func() bool {
		s := laser.ask(ctx, control.Request{Do: "status"}).Status
		return s != nil && s.Bundle > before
	})
	if rep := laser.ask(ctx, control.Request{Do: "tap", Card: number}); !rep.OK {
		t.Fatalf("%+v", rep)
	}
	if s := laser.ask(ctx, control.Request{Do: "status"}).Status; s.Member != lea || s.Session == "" {
		t.Errorf("%+v", s)
	}
	runLearn(t, d, d.machines[1])
	if err := laser.stop(); err != nil { // after the stop, no goroutine writes the daemon's log
		t.Fatal(err)
	}
	log := strings.ToUpper(laser.log.String())
	for _, secret := range []string{number, code, found[0].Card} {
		if log == "" || strings.Contains(log, strings.ToUpper(secret)) {
			t.Errorf("the daemon's log of %d bytes holds %q", len(log), secret)
		}
	}
}

// runLearn runs «card learn», which adds the next unknown card of a machine.
func runLearn(t *testing.T, d *demo, m *demoMachine) {
	const before, next, member = "DEADBEEF02", "DEADBEEF03", "m-9d017e"
	m.ask(t.Context(), control.Request{Do: "tap", Card: before})
	read, asks := io.Pipe()
	var out bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- cardLearn(t.Context(), stdio{out: &out, err: asks},
			[]string{"zoé girard", "--site", d.path("site"), "--socket", m.socket(), "--lang", "en"})
	}()
	if _, err := read.Read(make([]byte, 200)); err != nil { // wait until card learn asks for the card
		t.Fatal(err)
	}
	code := strings.Fields(m.ask(t.Context(), control.Request{Do: "tap", Card: next}).EN)[3]
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := "the card " + strings.TrimSuffix(code, ".") + " is Zoé Girard's (" + member + ")"
	if !strings.Contains(out.String(), want) {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
}
