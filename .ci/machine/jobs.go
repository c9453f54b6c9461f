package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"portillon/.ci/machine/nbd"
)

// newMachine returns a machine whose disk is empty. The seed of the test determines the random choices of the
// machine's power cuts.
func (t *test) newMachine(ctx context.Context, name string) (*machine, error) {
	image, err := t.disk(ctx, name)
	if err != nil {
		return nil, err
	}
	m := &machine{t: t, name: name, disk: nbd.New(image), chance: rand.New(rand.NewPCG(t.seed, 0))}
	if t.deaf {
		m.disk.Deafen()
	}
	return m, nil
}

// rows runs the failure matrix in one boot, cuts the power during a session, and runs the remaining rows in a second
// boot.
func (t *test) rows(ctx context.Context) error {
	m, err := t.newMachine(ctx, "rows")
	if err != nil {
		return err
	}
	const systemd = "rdinit=/lib/systemd/systemd systemd.unit=rig.target systemd.show_status=0 only="
	words := " rig=rows"
	if t.full {
		words += " full=yes"
	}
	first, err := m.boot(ctx, t.path("full.cpio"), systemd+t.only+words, 0, 35*time.Minute)
	if err != nil {
		return err
	}
	if !first.cut {
		return errors.New("first boot ended before the power cut, want it to run until then")
	}
	second, err := m.boot(ctx, t.path("full.cpio"), systemd+" rig=revived", 0, 15*time.Minute)
	if err != nil {
		return err
	}
	t.compareWithJournal("every edge", []*boot{first, second})
	return nil
}

// hub measures the resident memory of a hub on an arm64 computer.
func (t *test) hub(ctx context.Context) error {
	err := t.do(ctx, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64"}, "go", "build", "-trimpath", "-ldflags=-s -w",
		"-o", t.path("hub/rig/files/hub-bench"), "./bench/hub")
	if err != nil {
		return err
	}
	if err := t.do(ctx, nil, "sh", "-ec",
		`cd "$1/hub"; find . | cpio -o -H newc --quiet | cat ../full.cpio - > ../hub.cpio`, "pack", t.work); err != nil {
		return err
	}
	m, err := t.newMachine(ctx, "hub")
	if err != nil {
		return err
	}
	_, err = m.boot(ctx, t.path("hub.cpio"),
		"rdinit=/lib/systemd/systemd systemd.unit=rig.target systemd.show_status=0 rig=hub", 0,
		40*time.Minute)
	return err
}

// compareWithJournal compares every edge of the relay's line, in all boots, with the journal as it is after the last
// boot.
func (t *test) compareWithJournal(name string, boots []*boot) {
	records := boots[len(boots)-1].records
	spans, wrong := breaches(boots, records)
	if len(wrong) > 0 || spans == 0 {
		t.fail(
			name,
			fmt.Errorf("line 17 was high %d times, journal has %d records: %s", spans, len(records), strings.Join(wrong, "; ")),
		)
		return
	}
	t.pass(name, fmt.Sprintf("line 17 was high %d times, each within a session of the journal's %d records", spans,
		len(records)))
}

// cutting cuts the power of a machine in use at random times, many times with the same disk. After each power cut,
// the agent checks three rules: the journal contains all records that were acknowledged before, no session has
// started without a tap, and the interrupted session is closed.
func (t *test) cutting(ctx context.Context) error {
	m, err := t.newMachine(ctx, "cuts")
	if err != nil {
		return err
	}
	fmt.Printf("seed %d\n", t.seed)
	var boots []*boot
	acked, acks, failed := "", 0, false
	for n := range t.cuts + 1 {
		words := fmt.Sprintf("rig=cuts acked=%s seed=%d", acked, m.chance.Uint64())
		// In every boot except the last, cut the power at one of the next 40 writes.
		writes := 1 + m.chance.IntN(40)
		if n == t.cuts {
			words, writes = words+" last=yes", 0
		}
		b, err := m.boot(ctx, t.path("light.cpio"), words, writes, 2*time.Minute)
		if err != nil {
			return fmt.Errorf("boot after %d power cuts failed: %w", n, err)
		}
		boots = append(boots, b)
		if b.acked != "" {
			acked = b.acked
		}
		acks, failed = acks+b.acks, failed || b.failed
	}
	t.compareWithJournal("every edge of all power cuts", boots)
	if !failed {
		t.pass(
			"power cuts",
			fmt.Sprintf("%d, with %d of %d unflushed sectors lost; %d acknowledgements, and all acknowledged records "+
				"are in the journal", t.cuts, m.lost, m.atStake, acks),
		)
	}
	return nil
}
