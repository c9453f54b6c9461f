package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/journal"
	"portillon/daemon/uplink"
	"portillon/policy"
	"portillon/wire"
)

// other is a machine that works while the account of another machine attacks the broker. This machine has a journal
// and an uplink, as in portillond.
type other struct {
	id      policy.MachineID
	journal *journal.Journal // its records
	up      *uplink.Uplink   // the machine's connection to the broker
	lost    atomic.Int64     // how often the machine has lost its connection
	late    atomic.Int64     // number of records whose acknowledgement took longer than patience
	stop    func()           // stops the machine and deletes its journal
}

// startOther starts a machine and waits until the hub has acknowledged the first record of this machine.
func (s *site) startOther(ctx context.Context, id policy.MachineID) (*other, error) {
	signer, err := note.NewSigner(s.keys[id])
	if err != nil {
		return nil, err
	}
	o := &other{id: id}
	// Use a file system in memory if possible, because the test does not measure the machine's disk.
	dir := s.dir
	if _, err := os.Stat("/dev/shm"); err == nil {
		if dir, err = os.MkdirTemp("/dev/shm", "portillon-broker-"); err != nil {
			return nil, err
		}
	}
	if o.journal, err = journal.Open(filepath.Join(dir, string(id)+".db"), journal.Options{Site: "biklab", Machine: id,
		Signer: signer, Boot: "b"}); err != nil {
		return nil, err
	}
	// Count only the connections that are lost after the first successful connection.
	online := make(chan bool, 1)
	ctx, cancel := context.WithCancel(ctx)
	var first sync.Once
	o.up, err = uplink.New(uplink.Config{Broker: "tcp://" + s.addr, Username: string(id),
		PasswordFile: filepath.Join(s.dir, string(id)+".password"),
		Site:         "biklab", Machine: id,
		Keys: note.VerifierList(s.hubKey)}, o.journal, uplink.Handlers{Online: func(up bool) {
		if up {
			first.Do(func() { close(online) })
		} else if ctx.Err() == nil {
			o.lost.Add(1)
		}
	}})
	if err != nil {
		cancel()
		return nil, err
	}
	var work sync.WaitGroup
	work.Go(func() { o.up.Run(ctx) })
	o.stop = func() {
		cancel()
		work.Wait()
		o.journal.Close()
		if dir != s.dir {
			os.RemoveAll(dir)
		}
	}
	select {
	case <-online:
	case <-time.After(20 * time.Second):
		o.stop()
		return nil, fmt.Errorf("machine %s did not connect to the broker within 20 s", id)
	}
	return o, o.record(ctx, new(time.Duration))
}

// patience is the time after which a record without acknowledgement counts as late, and the machine writes its next
// record.
const patience = 15 * time.Second

// record writes one record, and returns when the hub has acknowledged this record or when patience is over.
func (o *other) record(ctx context.Context, took *time.Duration) error {
	if _, err := o.journal.Append(journal.Entry{Kind: wire.Refused, Body: wire.RefusedBody{}}); err != nil {
		return err
	}
	began := time.Now()
	o.up.Notify()
	for o.up.Acked() < o.journal.Len() {
		if time.Sleep(100 * time.Microsecond); ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > patience {
			o.late.Add(1)
			break
		}
	}
	*took = time.Since(began)
	return nil
}

// measure makes all machines write records for the duration run. It returns, for each record, the time from its
// publication to its acknowledgement.
func measure(ctx context.Context, others []*other, run time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var errs []error
	var work sync.WaitGroup
	for _, o := range others {
		work.Go(func() {
			for end := time.Now().Add(run); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				var took time.Duration
				err := o.record(ctx, &took)
				mu.Lock()
				if all = append(all, took); err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	work.Wait()
	return all, errors.Join(errs...)
}
