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

// fileText returns the text of a file on one of the computers, or "" if the file does not exist.
func (w *world) fileText(name string) string {
	b, _ := os.ReadFile(filepath.Join(w.dir, name)) // ignore the error, because a missing file has the text ""
	return strings.TrimSpace(string(b))
}

// certificateEnd returns the time at which the machine's certificate expires.
func (w *world) certificateEnd(context.Context) (time.Time, error) {
	block, _ := pem.Decode([]byte(w.fileText("pi/var/lib/portillon/laser/hub/machine.crt") + "\n"))
	if block == nil {
		return time.Time{}, errors.New("machine has no certificate file, want one after its enrolment")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotAfter, nil
}

// freeze stops a program with SIGSTOP: the kernel still acknowledges packets for the program, but the program answers
// nothing.
func (p *program) freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// thaw lets a frozen program continue with SIGCONT.
func (p *program) thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// waitForUses waits until the hub's report for a period lists the given number of uses of the laser by Léa. The
// report lags behind, because the hub counts records shortly after it receives them.
func (w *world) waitForUses(ctx context.Context, from, to time.Time, uses int) error {
	line := fmt.Sprintf("portillon report uses --from %s --to %s --lang en "+atAPI, from.UTC().Format(time.DateOnly),
		to.UTC().Format(time.DateOnly))
	_, err := await(ctx, fmt.Sprintf("a report with %d uses", uses), func() (bool, error) {
		out, err := w.answer(ctx, w.atHub(ctx, line))
		if n := strings.Count(out, "Léa Martin"); err == nil && n != uses {
			return false, fmt.Errorf("report lists the wrong number of uses by Léa, want %d: %s", n, out)
		}
		return err == nil, err
	})
	return err
}
