package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The transcripts in testdata are the tool's specification: they run its real main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portillon": main})
}

func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			return os.CopyFS(e.WorkDir+"/site", os.DirFS("../../site-example"))
		},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}
