package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// file is the text of a file of one of the computers; empty: there is none.
func (w *world) file(name string) string {
	b, _ := os.ReadFile(filepath.Join(w.dir, name)) // what is missing is no text
	return strings.TrimSpace(string(b))
}

// expires is when the machine's certificate ends.
func (w *world) expires(context.Context) (time.Time, error) {
	block, _ := pem.Decode([]byte(w.file("pi/var/lib/portillon/laser/hub/machine.crt") + "\n"))
	if block == nil {
		return time.Time{}, errors.New("the machine has no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotAfter, nil
}

// freeze stops a program as it is: its computer still acknowledges what comes, and nothing answers.
func (p *program) freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *program) thaw() error   { return p.cmd.Process.Signal(syscall.SIGCONT) }

// reported waits until the report of some days has this many uses of Léa's: the hub counts records soon after it
// has them.
func (w *world) reported(ctx context.Context, from, to time.Time, uses int) error {
	line := fmt.Sprintf("portillon report uses --from %s --to %s --lang en "+atAPI, from.UTC().Format(time.DateOnly),
		to.UTC().Format(time.DateOnly))
	_, err := await(ctx, fmt.Sprintf("a report with %d uses", uses), func() (bool, error) {
		out, err := w.answer(ctx, w.atHub(ctx, line))
		if n := strings.Count(out, "Léa Martin"); err == nil && n != uses {
			return false, fmt.Errorf("%d uses: %s", n, out)
		}
		return err == nil, err
	})
	return err
}
