package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The transcripts in testdata are the tool's specification: they run its real main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portillon": func() { start(openModel) }})
}

func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			return os.CopyFS(e.WorkDir+"/site", os.DirFS("../../site-example"))
		},
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// exits runs a command that must end with this exit code: exits 3 portillon badge verify …
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
