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

// file returns the text of a file on one of the computers; empty: the file is missing.
func (w *world) file(name string) string {
	b, _ := os.ReadFile(filepath.Join(w.dir, name)) // a missing file has no text
	return strings.TrimSpace(string(b))
}

// expires returns the end of validity of the machine's certificate.
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

// freeze stops a program with SIGSTOP: its computer still acknowledges packets, but the program answers nothing.
func (p *program) freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// thaw lets a frozen program continue.
func (p *program) thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// reported waits until the report for the days from to to lists this number of uses by Léa, because the hub counts
// records shortly after receiving them.
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
