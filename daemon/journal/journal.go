package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
)

// Options are the settings of a journal that is opened for writing. Site, Machine and Signer are required. Every other
// field has the default that is stated in its comment.
type Options struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Signer  note.Signer // the machine's key, which signs checkpoints

	Boot    string           // the kernel's boot id; empty: BootID()
	Now     func() time.Time // the wall clock; nil: time.Now
	Mono    func() int64     // milliseconds since boot; nil: Uptime
	Trusted func() bool      // whether the clock Now is right; nil: never
	Salt    io.Reader        // source of the salts of leaves; nil: crypto/rand
	Random  io.Reader        // source of a new journal's generation; nil: crypto/rand
	Damaged func(error)      // called when a method detects damage; must not block; may be nil
}

// Entry is one record to append. Body is one of wire's bodies, according to Kind, or nil.
type Entry struct {
	Kind    wire.Kind
	Session string
	Member  policy.MemberID
	Body    any
	Facts   map[string][]byte // written in the record's transaction, by key; a nil value deletes the fact
}

// Errors that a caller can distinguish with errors.Is.
var (
	// ErrInUse means that another daemon has the journal open.
	ErrInUse = errors.New("another daemon has the journal open")
	// ErrClosed means that the journal was closed.
	ErrClosed = errors.New("journal is closed")
	// ErrReadOnly means that the journal was opened only for reading.
	ErrReadOnly = errors.New("journal is open only for reading")
	// ErrUnread means that a file could not be read or is not a journal: the state of the journal is unknown.
	ErrUnread = errors.New("file cannot be read")
	// ErrDamaged means that a file is a journal but SQLite can no longer read it.
	ErrDamaged = errors.New("file is damaged")
)

// Journal is an open journal for the daemon and its tools. The methods of a Journal are safe for concurrent use. Each
// returned error names the file and the remedy.
type Journal struct {
	store *store
	lock  *os.File // excludes other daemons; nil: opened only for reading
}

// Open opens the journal at path, or creates a journal if no file exists there.
func Open(path string, o Options) (*Journal, error) {
	if o.Site == "" || o.Machine == "" || o.Signer == nil {
		return nil, fmt.Errorf("journal %s: site, machine and the machine's key are required", path)
	}
	j := &Journal{store: newStore(path, defaults(o))}
	if err := j.open(); err != nil {
		return nil, openError(path, err)
	}
	return j, nil
}

// OpenReadOnly opens an existing journal for Verify and Export. A daemon may write to the journal at the same time.
func OpenReadOnly(path string) (*Journal, error) {
	j := &Journal{store: newStore(path, Options{})}
	j.store.readOnly = true
	if err := j.openReading(); err != nil {
		return nil, openError(path, err)
	}
	return j, nil
}

func defaults(o Options) Options {
	if o.Boot == "" {
		o.Boot = BootID()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		o.Mono = Uptime
	}
	if o.Trusted == nil {
		o.Trusted = func() bool { return false }
	}
	if o.Salt == nil {
		o.Salt = rand.Reader
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return o
}

func (j *Journal) open() (err error) {
	if j.lock, err = lock(j.store.path + ".lock"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if err := finishExchange(j.store.path, j.store.o.Now); err != nil {
		return err
	}
	for _, end := range []string{"-shm", "-wal"} { // a folder cannot be part of a journal
		if fi, err := os.Lstat(j.store.path + end); err == nil && fi.IsDir() {
			if err := os.Rename(j.store.path+end, j.store.path+end+".folder"); err != nil {
				return err
			}
		}
	}
	g, err := wire.NewGeneration(j.store.o.Random)
	if err != nil {
		return err
	}
	origin := wire.Origin(j.store.o.Site, j.store.o.Machine)
	if err := create(j.store.path, origin, g); err != nil {
		return err
	}
	if err := inspect(j.store.path, origin); err != nil {
		return err
	}
	if err := j.store.attach("rw"); err != nil {
		return err
	}
	if err := j.store.db.prepare(); err != nil {
		return err
	}
	return j.store.load()
}

func (j *Journal) openReading() (err error) {
	if err := checkHeader(j.store.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if err = j.store.attach("ro"); err != nil && hasNoLog(j.store.path) {
		// On a read-only disk SQLite cannot create the index of the write-ahead log. A journal without such a log needs
		// no index.
		err = errors.Join(j.release(), j.store.attach("ro&immutable=1"))
	}
	if err != nil {
		return err
	}
	return j.store.load()
}

// hasNoLog reports whether the journal has no write-ahead log. Without the log, no daemon is writing.
func hasNoLog(path string) bool {
	_, err := os.Lstat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

// Close checkpoints the write-ahead log into the file and closes the file. Every record for which Append has returned
// is already on the disk.
func (j *Journal) Close() error {
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	if j.store.closed {
		return nil
	}
	j.store.closed = true
	return j.release()
}

func (j *Journal) release() error {
	errs := []error{j.store.db.close()}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	j.lock = nil
	return errors.Join(errs...)
}

// Len is the number of records, which equals the sequence number of the last record. Len never waits.
func (j *Journal) Len() uint64 { return j.store.tree.length.Load() }

// Origin is the journal's name in its checkpoints: portillon/<site>/<machine>, followed by /<generation> if the journal
// has a generation.
func (j *Journal) Origin() string { return j.store.origin }

// Generation is the generation of the journal; empty: the journal was created by a release without generations.
func (j *Journal) Generation() wire.Generation { return j.store.generation }

var background = context.Background() // journal operations wait only for the disk, so they have no deadline
