package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
)

// Options are what a journal needs to write. Site, Machine and Signer are required; what else is zero has the default
// that is said.
type Options struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Signer  note.Signer // signs checkpoints

	Boot    string           // the kernel's boot id; empty: BootID()
	Now     func() time.Time // nil: time.Now
	Mono    func() int64     // milliseconds since boot; nil: Uptime
	Trusted func() bool      // whether Now can be believed; nil: never
	Salt    io.Reader        // nil: crypto/rand
	Random  io.Reader        // of a new journal's generation; nil: crypto/rand
	Damaged func(error)      // told of damage that is found while the journal is in use; it must not block; nil: nobody
}

// Entry is what a caller wants recorded. Body is one of wire's bodies, by Kind, or nil.
type Entry struct {
	Kind    wire.Kind
	Session string
	Member  policy.MemberID
	Body    any
	Facts   map[string][]byte // kept with the record, in its transaction; nil deletes a fact
}

// Errors that a caller can tell apart.
var (
	// ErrInUse says that another daemon has the journal open.
	ErrInUse = errors.New("another daemon has it open")
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrReadOnly says that the journal was opened for reading alone.
	ErrReadOnly = errors.New("the journal is open for reading alone")
	// ErrUnread says that a file could not be looked at, or is none of ours: nothing is known about a journal.
	ErrUnread = errors.New("it cannot be read")
	// ErrDamaged says that a file is a journal's, and SQLite can no longer read it.
	ErrDamaged = errors.New("file is damaged")
)

// Journal is an open journal. Its methods may be called at once.
type Journal struct {
	o          Options
	path       string
	origin     string // in checkpoints
	readOnly   bool
	generation wire.Generation
	lock       *os.File

	mu     sync.Mutex // guards all below but for what is atomic in them
	db     *database
	tree   *tree
	clock  *clock
	stale  bool // a write failed: what is on the disk must be looked up before the next
	closed bool
}

// newJournal is a journal that is not open yet.
func newJournal(path string, o Options) *Journal {
	db := &database{path: path}
	return &Journal{o: o, path: path, db: db, tree: &tree{db: db}, clock: &clock{now: o.Now, isTrusted: o.Trusted}}
}

// Open opens the journal at path, or creates it where nothing is there.
func Open(path string, o Options) (*Journal, error) {
	if o.Site == "" || o.Machine == "" || o.Signer == nil {
		return nil, fmt.Errorf("journal %s: site, machine and the machine's key are required", path)
	}
	j := newJournal(path, defaults(o))
	if err := j.open(); err != nil {
		return nil, refused(path, err)
	}
	return j, nil
}

// OpenReadOnly opens a journal that is there, for Verify and Export; a daemon may be writing to it meanwhile.
func OpenReadOnly(path string) (*Journal, error) {
	j := newJournal(path, Options{})
	j.readOnly = true
	if err := j.openReading(); err != nil {
		return nil, refused(path, err)
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
	if j.lock, err = lock(j.path + ".lock"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if err := finishExchange(j.path, j.o.Now); err != nil {
		return err
	}
	for _, end := range []string{"-shm", "-wal"} { // a folder holds no page of ours
		if fi, err := os.Lstat(j.path + end); err == nil && fi.IsDir() {
			if err := os.Rename(j.path+end, j.path+end+".folder"); err != nil {
				return err
			}
		}
	}
	g, err := wire.NewGeneration(j.o.Random)
	if err != nil {
		return err
	}
	origin := wire.Origin(j.o.Site, j.o.Machine)
	if err := create(j.path, origin, g); err != nil {
		return err
	}
	if err := inspect(j.path, origin); err != nil {
		return err
	}
	if err := j.attach("rw"); err != nil {
		return err
	}
	if err := j.db.prepare(); err != nil {
		return err
	}
	return j.load()
}

func (j *Journal) openReading() (err error) {
	if err := checkHeader(j.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if err = j.attach("ro"); err != nil && atRest(j.path) {
		// A disk that cannot be written has no room for the log's index; without a log none is needed.
		err = errors.Join(j.release(), j.attach("ro&immutable=1"))
	}
	if err != nil {
		return err
	}
	return j.load()
}

func (j *Journal) attach(mode string) (err error) {
	if err := j.db.connect(mode); err != nil {
		return err
	}
	j.origin, j.generation, err = j.db.readOrigin()
	return err
}

// atRest reports that no write-ahead log is there: nobody writes.
func atRest(path string) bool {
	_, err := os.Lstat(path + "-wal")
	return errors.Is(err, fs.ErrNotExist)
}

// Close folds the write-ahead log into the file and closes it. Whatever Append has returned is on the disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	return j.release()
}

func (j *Journal) release() error {
	errs := []error{j.db.close()}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	j.lock = nil
	return errors.Join(errs...)
}

// Len is the number of records, which is the last one's seq. It never waits.
func (j *Journal) Len() uint64 { return j.tree.length.Load() }

// Origin is the journal's name in its checkpoints: portillon/<site>/<machine>, and /<generation> where it has one.
func (j *Journal) Origin() string { return j.origin }

// Generation is the journal's; empty: it was made before there were generations.
func (j *Journal) Generation() wire.Generation { return j.generation }

// usable reports why the journal cannot be used. The lock is held.
func (j *Journal) usable() error {
	if j.closed {
		return ErrClosed
	}
	if !j.stale {
		return nil
	}
	return j.load()
}

var background = context.Background() // nothing here waits for anything but the disk
