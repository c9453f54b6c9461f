package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// MaxCounted is the maximum number of interventions in a file. If a member has more interventions, the file contains
// the newest of them.
const MaxCounted = 100

const (
	kind = "portillon evidence" // the first line of the signed text
	// maxRecords is the maximum number of records in a file. Each intervention needs at most six records: its own record,
	// the start and the end of the session, a change of role, the tap of the member, and the endorser's confirmation.
	maxRecords = 6 * MaxCounted
	maxPath    = 64
)

// File is the evidence that a member can export. The hub signs the file as a note. The text of the note is the line
// «portillon evidence», followed by the file as canonical JSON.
type File struct {
	Site     policy.SiteID   `json:"site"`
	Member   policy.MemberID `json:"member"`
	Made     time.Time       `json:"made"` // time at which Judge calculated the progress from the records
	Rule     Rule            `json:"rule"`
	Complete bool            `json:"complete"`
	Machines []Journal       `json:"journals"`
	// the records of the interventions that count, and the records that prove that they count
	Records []Proven `json:"records"`
}

// Journal is the signed checkpoint of one of a machine's journals. A file lists a machine's journals in the order in
// which the hub accepted them.
type Journal struct {
	Machine    policy.MachineID `json:"machine"`
	Checkpoint string           `json:"checkpoint"` // a signed note
	Generation wire.Generation  `json:"generation,omitempty"`
}

// Proven is a record with the Merkle path to the root of the machine's checkpoint.
type Proven struct {
	wire.Leafed
	Path       []tlog.Hash     `json:"path"`
	Generation wire.Generation `json:"generation,omitempty"` // generation of the record's journal
}

// Progress judges the file's records again. Progress does not verify the records: Verify does this, but Open does not.
func (f File) Progress() (Progress, error) {
	records, err := f.records()
	if err != nil {
		return Progress{}, err
	}
	return Judge(f.Rule, f.Member, records, f.Made), nil
}

func (f File) records() ([]wire.Record, error) {
	out := make([]wire.Record, len(f.Records))
	for i, p := range f.Records {
		r, err := wire.ParseRecord(p.Record)
		if err != nil {
			return nil, fmt.Errorf("evidence: record %d in the file: %w", i, err)
		}
		r.Generation, r.Epoch = p.Generation, f.epoch(r.Machine, p.Generation)
		out[i] = r
	}
	return out, nil
}

// epoch returns the position of a journal among the machine's journals in the file.
func (f File) epoch(m policy.MachineID, g wire.Generation) int {
	return slices.IndexFunc(f.Machines, func(j Journal) bool { return j.Machine == m && j.Generation == g })
}

// Needs returns the records that a file about p must contain: the newest MaxCounted interventions and the records that
// prove them. The result is sorted by machine, generation and seq.
func Needs(p Progress) []Ref {
	var out []Ref
	for _, c := range p.newest(MaxCounted) {
		out = append(append(out, refTo(c.Record)), c.RestsOn...)
	}
	slices.SortFunc(out, func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
	return slices.Compact(out)
}

// Make signs a file with the hub's key.
func Make(f File, hub note.Signer) ([]byte, error) {
	f.Made = f.Made.UTC().Truncate(time.Second)
	p, err := f.Progress()
	if err != nil {
		return nil, err
	}
	f.Complete = p.Complete
	b, err := wire.Canonical(f)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return note.Sign(&note.Note{Text: kind + "\n" + string(b) + "\n"}, hub)
}

// Open checks the hub's signature and parses the file. Open does not check the records: use Verify for this.
func Open(data []byte, hub note.Verifiers) (File, error) {
	if len(data) > wire.MaxSigned {
		return File{}, fmt.Errorf("evidence: file has %d bytes, want at most %d", len(data), wire.MaxSigned)
	}
	n, err := note.Open(data, hub)
	if err != nil {
		return File{}, fmt.Errorf("evidence: %w", errors.Join(wire.ErrBadSignature, err))
	}
	first, body, _ := strings.Cut(n.Text, "\n")
	if first != kind {
		return File{}, fmt.Errorf("evidence: file begins with %.60q, want \"portillon evidence\"", first)
	}
	var f File
	if err := wire.Decode([]byte(body), &f); err != nil {
		return File{}, fmt.Errorf("evidence: %w", err)
	}
	if text, ok := strings.CutSuffix(body, "\n"); !ok || !wire.IsCanonical([]byte(text)) {
		return File{}, errors.New("evidence: text after the first line is not canonical JSON")
	}
	if f.Site == "" || f.Member == "" || f.Made.IsZero() {
		return File{}, errors.New("evidence: the file lacks its site, its member or its time")
	}
	if len(f.Records) > maxRecords || len(f.Machines) > maxRecords {
		return File{}, fmt.Errorf("evidence: file has %d records, want at most %d", len(f.Records), maxRecords)
	}
	return f, nil
}

// Verify checks a file in three steps: the hub's signature, the path from each record to a checkpoint that the record's
// machine signed, and whether Judge gives the progress that the file claims. machines returns a machine's pinned key;
// nil: the machine is not trusted.
func Verify(data []byte, hub note.Verifiers, machines func(policy.MachineID) note.Verifier) (File, Progress, error) {
	return VerifyBy(data, hub, func(id policy.MachineID) []Key {
		if v := machines(id); v != nil {
			return []Key{{Verifier: v}}
		}
		return nil
	})
}

// Key is a public key of a machine, current or former.
type Key struct {
	Verifier note.Verifier
	Public   string // Verifier as a text of the form name+hash+key
	// Until is the time when the key was replaced or revoked; zero: the key is current. Verify refuses records whose
	// trusted time is after Until, because a thief of the machine could have signed these records.
	Until time.Time
}

// VerifyBy is like Verify, but takes all keys of each machine, including former keys.
func VerifyBy(data []byte, hub note.Verifiers, machines func(policy.MachineID) []Key) (File, Progress, error) {
	f, err := Open(data, hub)
	if err != nil {
		return File{}, Progress{}, err
	}
	roots, err := f.roots(machines)
	if err != nil {
		return File{}, Progress{}, err
	}
	records, err := f.records()
	if err != nil {
		return File{}, Progress{}, err
	}
	for i, r := range records {
		if err := f.Records[i].check(r, f.Site, roots); err != nil {
			return File{}, Progress{}, err
		}
	}
	p := Judge(f.Rule, f.Member, records, f.Made)
	if p.Complete != f.Complete || len(p.Rejected) > 0 {
		return File{}, Progress{}, fmt.Errorf(
			"evidence: the file's result is wrong: judged again, %d interventions count, %d do not, complete is %t",
			len(p.Counted),
			len(p.Rejected),
			p.Complete,
		)
	}
	return f, p, nil
}

// place identifies a journal.
type place struct {
	machine    policy.MachineID
	generation wire.Generation
}

func placeOf(r wire.Record) place { return place{r.Machine, r.Generation} }

// root is the root hash of a journal, with the data of the checkpoint that proves it.
type root struct {
	wire.Checkpoint
	until time.Time // time when the key that signed the root was replaced or revoked; zero: the key is current
}

func (f File) roots(machines func(policy.MachineID) []Key) (map[place]root, error) {
	out := map[place]root{}
	for _, j := range f.Machines {
		keys := machines(j.Machine)
		if len(keys) == 0 {
			return nil, fmt.Errorf("evidence: no key is pinned for the machine %.64q", j.Machine)
		}
		at := place{j.Machine, j.Generation}
		if _, twice := out[at]; twice {
			return nil, fmt.Errorf("evidence: file contains the journal %s twice", j.Generation.Origin(f.Site, j.Machine))
		}
		if err := j.Generation.Check(); err != nil {
			return nil, fmt.Errorf("evidence: journal of machine %s has an invalid generation: %w", j.Machine, err)
		}
		var err error
		for _, k := range keys {
			var c wire.Checkpoint
			if c, err = wire.OpenCheckpoint([]byte(j.Checkpoint), j.Generation.Origin(f.Site, j.Machine),
				note.VerifierList(k.Verifier)); err == nil {
				out[at] = root{c, k.Until}
				break
			}
		}
		if err != nil {
			return nil, fmt.Errorf("evidence: cannot verify the checkpoint of machine %s: %w", j.Machine, err)
		}
	}
	return out, nil
}

func (p Proven) check(r wire.Record, site policy.SiteID, roots map[place]root) error {
	c, ok := roots[place{r.Machine, p.Generation}]
	if !ok || r.Site != site || r.Seq > c.Size || len(p.Path) > maxPath {
		return fmt.Errorf("evidence: no checkpoint covers record %d of site %.64s, machine %.64s", r.Seq, r.Site, r.Machine)
	}
	if !c.until.IsZero() && r.Clock.Believed() && r.Wall.After(c.until.Add(wire.Skew)) {
		return fmt.Errorf(
			"evidence: record %d of machine %s has the time %s, but the machine's key was valid only until %s",
			r.Seq,
			r.Machine,
			r.Wall.Format(time.RFC3339),
			c.until.Format(time.RFC3339),
		)
	}
	if err := tlog.CheckRecord(tlog.RecordProof(p.Path), int64(c.Size), c.Root, int64(r.Seq-1),
		wire.Leaf(p.Salt, p.Record)); err != nil {
		return fmt.Errorf(
			"evidence: record %d of machine %s is not in the journal that the machine signed: %w",
			r.Seq,
			r.Machine,
			err,
		)
	}
	return nil
}
