package main

import (
	"context"
	"flag"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/sheet"
)

// firmwareSheet runs «firmware sheet», which creates the page for the machine's electrician: one HTML file without
// scripts, to be printed from a browser.
func firmwareSheet(_ context.Context, w stdio, args []string) error {
	var out string
	var force bool
	lang := environment().String()
	rest, err := parseFlags(w, "firmware sheet", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&lang, "lang", lang, "fr, en or both: a page each; default: fr where LC_ALL, "+
			"LC_MESSAGES or LANG says so or none is set, else en")
		fs.StringVar(&out, "o", "", "write the page to this file, to be printed from a browser; default: standard output")
		fs.BoolVar(&force, "force", false, "write over the file")
	})
	if err != nil {
		return err
	}
	langs, ok := sheet.Languages(lang)
	if !ok {
		return wrong("--lang: %.20q is not a language of the sheet", lang).hinted("fr, en or both")
	}
	c, err := daemoncmd.ReadConfig(rest[0])
	if err == nil {
		err = c.CheckWires()
	}
	if err != nil {
		return (&failure{code: 2, err: err}).hinted("%s", daemoncmd.Samples())
	}
	if c.Simulated() {
		return no("%s: the pins are simulated, so there is nothing to wire", rest[0]).
			hinted(`on a Pi: relay: { pin: "gpio:pinctrl-/17" }`)
	}
	page, err := sheet.HTML(c, rest[0], langs...)
	if err != nil {
		return err
	}
	return w.writeOut(out, page, force)
}
