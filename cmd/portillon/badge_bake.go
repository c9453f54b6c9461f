package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"strings"

	"portillon/openbadge"
	"portillon/openbadge/bake"
)

// badgeBake puts a badge into a PNG or an SVG, and makes sure that it comes out again as it went in.
func badgeBake(_ context.Context, w stdio, args []string) error {
	var badge, out string
	var force bool
	rest, err := flags(w, "badge bake", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&badge, "badge", "", "the badge, a file (badge issue)")
		fs.StringVar(&out, "o", "", "the file for the image with the badge in it")
		fs.BoolVar(&force, "force", false, "write over a file that exists")
	})
	if err != nil {
		return err
	}
	if err := missing("--badge badge.json -o badge.png", need{"--badge", badge != ""}, need{"-o", out != ""}); err != nil {
		return err
	}
	image, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	payload, err := os.ReadFile(badge)
	if err != nil {
		return wrong("%w", err)
	}
	payload = bytes.TrimSpace(payload)
	v := openbadge.Verify(payload, openbadge.Options{})
	if v.Badge == nil || v.Baked != "" {
		return wrong("%s is no badge to bake: %s", badge, v.Why())
	}
	version := bake.OB3
	if strings.HasPrefix(v.Form, "ob2") {
		version = bake.OB2
	}
	baked, err := bake.Bake(image, payload, version)
	if err != nil {
		return wrong("%s: %w", rest[0], err)
	}
	if again, _, err := bake.Extract(baked); err != nil || !bytes.Equal(again, payload) {
		return wrong("%s: the badge does not come out of it as it went in", rest[0])
	}
	return w.writeOut(out, baked, force)
}
