package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/journal"
	"portillon/wire"
)

// The transcripts in testdata specify what each command of the tool prints. In the transcripts, the command portillon
// runs the tool's real main function.
func TestMain(m *testing.M) {
	testscript.Main(
		m,
		map[string]func(){"portillon": func() { start(openModel) }, "portillond": func() { start(openModel) },
			"portillon-hub": func() { start(openModel) }, "write-journal": writeJournal, "write-protocol": writeProtocol},
	)
}

// writeJournal writes a machine's journal of eleven records. The content of the journal is the same in every run.
// Usage: write-journal FILE [SQL that damages the journal].
func writeJournal() {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	key, _, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "laser.biklab")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		log.Fatal(err)
	}
	j, err := journal.Open(
		os.Args[1],
		journal.Options{Site: "biklab", Machine: "laser", Signer: signer, Boot: "b1", Trusted: func() bool { return true },
			Now:    func() time.Time { at = at.Add(time.Minute); return at },
			Mono:   func() int64 { return at.UnixMilli() },
			Salt:   bytes.NewReader(make([]byte, 4096)),
			Random: bytes.NewReader(make([]byte, 8))},
	)
	if err != nil {
		log.Fatal(err)
	}
	all := []journal.Entry{{Kind: wire.Booted, Body: wire.BootBody{Version: "0.1"}}}
	for range 5 {
		all = append(all,
			journal.Entry{Kind: wire.SessionStart, Session: "s1", Member: "m-7k2f9q", Body: wire.StartBody{Bundle: 1}},
			journal.Entry{Kind: wire.SessionEnd, Session: "s1", Member: "m-7k2f9q", Body: wire.EndBody{Cause: wire.CauseTap}})
	}
	for _, e := range all {
		if _, err := j.Append(e); err != nil {
			log.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 2 {
		db, err := sql.Open("sqlite", os.Args[1])
		if err == nil {
			_, err = db.Exec(os.Args[2])
		}
		if err = errors.Join(err, db.Close()); err != nil {
			log.Fatal(err)
		}
	}
}

func TestTranscripts(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs the programs as processes")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			_, public, err := protocolKeys()
			if err != nil {
				return err
			}
			e.Setenv("MACHINE", public)
			e.Setenv("KEY", "portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO")
			return os.CopyFS(e.WorkDir+"/site", os.DirFS("../../site-example"))
		},
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// exits runs a command that must end with the given exit code. Usage: exits 3 portillon badge verify …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND …")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if want, _ := strconv.Atoi(args[0]); code != want || err != nil && exit == nil {
		ts.Fatalf("exit %d, want %d (%v)", code, want, err)
	}
}

// A signal must end the command «policy check» at once, even while the command tries many cases.
func TestSignalEndsAPolicyCheckAtOnce(t *testing.T) {
	var badges, any, machines strings.Builder
	for i := range 16 {
		fmt.Fprintf(&badges, "  b%d: { name: B%d, issuer: i, achievement: \"https://x.example/%d\" }\n", i, i, i)
		fmt.Fprintf(&any, "b%d, ", i)
	}
	for i := range 200 { // the check of this policy takes more than a minute
		fmt.Fprintf(&machines, "  m%d: { name: M%d, grants: [{ role: user, needs: { any: [%s] } }] }\n", i, i,
			strings.TrimSuffix(any.String(), ", "))
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	text := "portillon: 1\nsite: s\ntimezone: Europe/Paris\nissuers:\n  i: { name: I, keys: " +
		"[\"did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy\"] }\nbadges:\n" +
		badges.String() + "machines:\n" + machines.String()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "policy", "check", path)
	cmd.Args[0] = "portillon"
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	first, err := bufio.NewReader(out).ReadString('\n') // the output shows that the command has begun
	if err != nil || !strings.Contains(first, "200 machines") {
		t.Fatalf("%q %v", first, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it did not end within five seconds")
	}
}
