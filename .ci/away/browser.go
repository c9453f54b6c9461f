package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// browser makes Chromium perform the steps of docs/first-day.md on the hub's computer. The browser script starts each
// program through a shell script; there is one shell script for each computer.
func browser(ctx context.Context, w *world) (string, error) {
	script := func(name string, cmd *exec.Cmd) (string, error) {
		path := filepath.Join(w.dir, name)
		var b strings.Builder
		fmt.Fprintf(&b, "#!/bin/sh\ncd %s\nexport LINE=\"$1\"\n", quoted(cmd.Dir))
		// The script inherits the environment variables of this command. The argument of the shell script is the command
		// line to run.
		for _, e := range cmd.Env {
			if name, value, _ := strings.Cut(e, "="); name != "LINE" {
				fmt.Fprintf(&b, "export %s=%s\n", name, quoted(value))
			}
		}
		b.WriteString("exec")
		for _, arg := range cmd.Args {
			b.WriteString(" " + quoted(arg))
		}
		return path, os.WriteFile(path, []byte(b.String()+"\n"), 0o755)
	}
	atHub, err := script("at-hub", w.atHub(ctx, ""))
	if err != nil {
		return "", err
	}
	atPi, err := script("at-pi", w.atPi(ctx, ""))
	if err != nil {
		return "", err
	}
	list, err := filepath.Abs(".ci/away/testdata/membres.csv")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", w.hub, "node", ".ci/browser/firstday.mjs", w.out, atHub, atPi,
		list)
	cmd.Env = append(os.Environ(), "AWAY_DIR="+w.dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, said.String())
	}
	return lines[len(lines)-1], nil
}

// quoted quotes s so that a shell reads s as one word.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
