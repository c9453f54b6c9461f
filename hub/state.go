package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/fault"
)

// If a value is beyond one of these limits, the state of the hub contains a warning.
const (
	leastDisk   = 500 << 20 // bytes of free disk space: enough for some weeks of records of 20 machines and one backup
	backupEvery = 8 * 24 * time.Hour
)

// State returns the state of the hub for administrators: versions, counts, sizes and warnings.
func (o siteAdmin) State(ctx context.Context, a actor.Actor) (api.State, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return api.State{}, err
	}
	h := o.h
	s := api.State{
		Program: h.core.program,
		Site:    h.core.c.Site,
		Started: h.core.started.UTC(),
		Broker:  h.connector.linked.Load(),
		Disk: diskFree(
			h.core.c.Data,
		),
		Database: fileSizes(h.core.c.Database(), h.core.c.Database()+"-wal"),
		Backup:   lastBackup(h.core.c.Data),
		Listens:  api.Listens{Web: h.pagesServer.listener.Addr().String(), Machines: h.MachinesAddr(), Broker: h.Broker()},
	}
	// Read the versions in force. A site without a policy has policy number 0.
	_, s.Bundle = h.bundles.current()
	by := actor.System("state")
	current, err := h.services.publish.Policies.Current(ctx, by)
	var none *fault.NotFound
	if err != nil && !errors.As(err, &none) {
		return api.State{}, err
	}
	s.Policy = current.Number
	// Count the machines.
	if h.enrolments.machines != nil {
		all, err := h.enrolments.machines.Machines.List(ctx, by)
		if err != nil {
			return api.State{}, err
		}
		s.Machines = len(all)
		for _, m := range all {
			if m.Standing.Online {
				s.Online++
			}
		}
	}
	// Count the records of all journals.
	err = h.core.db.Site(h.core.c.Site).
		QueryRow(ctx, `SELECT coalesce(sum(size), 0) FROM ledger_journals WHERE site = $1`).
		Scan(&s.Records)
	if err != nil {
		return api.State{}, err
	}
	// Compute Warnings and Ready last, because they depend on the other fields.
	s.Warnings = (&opening{hub: h}).warnings(s)
	s.Ready = h.health.ready(ctx) == nil
	return s, nil
}

// warnings returns the names of problems that an administrator should check. The file openapi.yaml explains each of
// these names.
func (op *opening) warnings(s api.State) (out []string) {
	now := op.hub.core.now()
	for _, w := range []struct {
		name string
		on   bool
	}{
		{"no-broker", !s.Broker},
		{"no-bundle", s.Bundle == 0},
		{"database", op.hub.health.failure() != nil},
		{"disk", s.Disk >= 0 && s.Disk < leastDisk},
		{"no-backup", now.Sub(op.hub.core.started) > backupEvery && now.Sub(s.Backup) > backupEvery},
	} {
		if w.on {
			out = append(out, w.name)
		}
	}
	return out
}

// fileSizes returns the total size of files. fileSizes counts a missing file as 0 bytes.
func fileSizes(paths ...string) (n int64) {
	for _, path := range paths {
		if i, err := os.Stat(path); err == nil {
			n += i.Size()
		}
	}
	return n
}

// backupNote is the name of the file in the hub's data folder that contains the time of the last backup.
const backupNote = "last-backup"

// NoteBackup stores the time of a backup in a hub's data folder, from which the hub reads it.
func NoteBackup(data string, at time.Time) error {
	f, err := os.CreateTemp(data, ".last-backup-*") // CreateTemp uses mode 0600, so only the file's owner can read it
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(at.UTC().Format(time.RFC3339) + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(data, backupNote))
}

// lastBackup returns the time of the last backup; zero: no backup was made, or the time cannot be read.
func lastBackup(data string) time.Time {
	f, err := fs.ReadFile(os.DirFS(data), backupNote)
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(f)))
	if err != nil {
		return time.Time{}
	}
	return at
}

// buildVersion returns the program's version according to the build.
func buildVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
