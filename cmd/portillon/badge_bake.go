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

// badgeBake runs «badge bake», which embeds a badge into a PNG or an SVG. badge bake does not change the badge itself.
// The badge's JSON is stored in an iTXt chunk of a PNG or an element of an SVG, under the keyword of the Open Badges
// version (openbadgecredential for 3.0, openbadges for 2.0).
func badgeBake(_ context.Context, w stdio, args []string) error {
	var badge, out string
	var force bool
	rest, err := parseFlags(w, "badge bake", args, 1, func(fs *flag.FlagSet) {
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
	// Embed only a document that can be read as a badge. Do not verify the badge's signature here.
	v := openbadge.Verify(payload, openbadge.Options{})
	if v.Badge == nil || v.Baked != "" {
		return wrong("%s is not a badge that can be baked: %s", badge, v.Why())
	}
	version := bake.OB3
	if strings.HasPrefix(v.Form, "ob2") {
		version = bake.OB2
	}
	baked, err := bake.Bake(image, payload, version)
	if err != nil {
		return wrong("%s: %w", rest[0], err)
	}
	// Before the image is written, extract the badge again and compare the bytes.
	if again, _, err := bake.Extract(baked); err != nil || !bytes.Equal(again, payload) {
		return wrong("%s: the badge extracted from the image differs from the one baked into it", rest[0])
	}
	return w.writeOut(out, baked, force)
}
