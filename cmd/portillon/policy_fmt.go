package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"portillon/policy/file"
	"portillon/wire"
)

// policyFmt runs «policy fmt»: it prints a policy in its canonical form, writes it (-w), or checks it (--check).
// Comments are kept. policy fmt does not format a file that «policy check» refuses.
func policyFmt(_ context.Context, w stdio, args []string) error {
	var write, check bool
	rest, err := parseFlags(w, "policy fmt", args, 1, func(fs *flag.FlagSet) {
		fs.BoolVar(&write, "w", false, "write the file instead of printing it")
		fs.BoolVar(&check, "check", false, "print nothing; exit 1 where the file is not in its canonical form")
	})
	if err != nil {
		return err
	}
	if write && check {
		return wrong("policy fmt: --check and -w exclude each other").hinted("--check only looks, -w writes: one of them")
	}
	before, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	after, err := file.Format(rest[0], before)
	switch same := bytes.Equal(before, after); {
	case err != nil:
		return err
	case check && !same:
		return no("%s is not in its canonical form", rest[0]).hinted("portillon policy fmt -w %s", rest[0])
	case check:
		return nil
	case !write:
		_, err := w.out.Write(after)
		return err
	case same:
		return nil
	}
	if err := rewrite(rest[0], after); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s: written in its canonical form\n", rest[0])
	return nil
}

// rewrite replaces an existing file, with the same permissions. If path is a symbolic link, rewrite replaces the file
// to which the link points, because a site's policy may be in another folder.
func rewrite(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return wire.WriteFile(path, data, info.Mode().Perm())
}

// policySchema runs «policy schema». Editors use the JSON schema to complete and check policy.yaml.
func policySchema(_ context.Context, w stdio, args []string) error {
	if _, err := parseFlags(w, "policy schema", args, 0, nil); err != nil {
		return err
	}
	_, err := w.out.Write(file.Schema())
	return err
}
