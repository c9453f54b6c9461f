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

func (t *test) newMachine(ctx context.Context) (*machine, error) {
	image, err := t.disk(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Printf("seed %d\n", t.seed)
	return &machine{t: t, disk: nbd.New(image), chance: rand.New(rand.NewPCG(t.seed, 0))}, nil
}

// rows plays the failure matrix on one boot, cuts the power in a session, and looks at what a second boot finds.
func (t *test) rows(ctx context.Context) error {
	m, err := t.newMachine(ctx)
	if err != nil {
		return err
	}
	const systemd = "rdinit=/lib/systemd/systemd systemd.unit=rig.target systemd.show_status=0 only="
	first, err := m.boot(ctx, t.path("full.cpio"), systemd+t.only+" rig=rows", 0, 8*time.Minute)
	if err != nil {
		return err
	}
	if !first.cut {
		return errors.New("the first boot ended before its power cut")
	}
	second, err := m.boot(ctx, t.path("full.cpio"), systemd+" rig=revived", 0, 3*time.Minute)
	if err != nil {
		return err
	}
	t.judge("every edge", []*boot{first, second})
	return nil
}

// judge compares every edge of all boots with the journal as the last one found it.
func (t *test) judge(name string, boots []*boot) {
	records := boots[len(boots)-1].records
	spans, wrong := breaches(boots, records)
	if len(wrong) > 0 || spans == 0 {
		t.fail(name, fmt.Errorf("%d times high, %d records: %s", spans, len(records), strings.Join(wrong, "; ")))
		return
	}
	t.pass(name, fmt.Sprintf("line 17 was high %d times, each within a session of the journal's %d records", spans, len(records)))
}

func (t *test) cutting(ctx context.Context) error { return nil }
