package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
)

// Checkpoint is a machine's signed word on its whole journal: so many records, and the root of their tree.
type Checkpoint struct {
	Origin string // portillon/<site>/<machine>, or portillon/<site>/<machine>/<generation>
	Size   uint64 // records
	Root   tlog.Hash
}

// Origin is the name of a machine's journal of the empty generation; Generation.Origin is that of any.
func Origin(s policy.SiteID, m policy.MachineID) string {
	return "portillon/" + string(s) + "/" + string(m)
}

// SignCheckpoint writes c in the form of C2SP tlog-checkpoint: origin, size, root in base64, each on a line.
func SignCheckpoint(c Checkpoint, s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	return note.Sign(&note.Note{Text: text}, s)
}

// OpenCheckpoint checks the signature and reads the checkpoint; origin must be the one expected.
func OpenCheckpoint(data []byte, origin string, keys note.Verifiers) (Checkpoint, error) {
	text, err := openText(data, keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 3 {
		return Checkpoint{}, fmt.Errorf("checkpoint: %d lines, 3 expected", len(lines))
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("checkpoint: the size %.30q is not a number", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("checkpoint: the root %.60q is not a hash", lines[2])
	}
	if lines[0] != origin {
		return Checkpoint{}, fmt.Errorf("checkpoint: of the journal %.100q, not %q", lines[0], origin)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// Batch is one message on a machine's records topic: consecutive records, and a checkpoint of the journal that ends
// with the last. A hub that holds all before them can recompute the root: a record that this machine did not write
// cannot hide among them.
type Batch struct {
	Records    []Leafed `json:"records"`
	Checkpoint string   `json:"checkpoint"` // a signed note
	// Generation is the journal's. The signed origin has it too.
	Generation Generation `json:"generation,omitempty"`
}

// Leafed is a record with what its leaf needs.
type Leafed struct {
	Salt   Salt            `json:"salt"`
	Record json.RawMessage `json:"record"` // canonical JSON
}

const (
	// MaxBatch bounds a batch in bytes; NATS carries 1 MB.
	MaxBatch = 512 << 10
	// MaxBatchRecords bounds a batch in records.
	MaxBatchRecords = 200
	// MaxRecord bounds a record in bytes.
	MaxRecord = 8 << 10
)

// ParseBatch reads a batch. Its records are not trusted yet: the checkpoint must be verified and the root recomputed.
// The result may refer to data, which must not be changed.
func ParseBatch(data []byte) (Batch, []Record, error) {
	if len(data) > MaxBatch {
		return Batch{}, nil, fmt.Errorf("batch: %d bytes, at most %d", len(data), MaxBatch)
	}
	if b, records, ok := fastBatch(data); ok {
		return b, records, nil
	}
	return slowBatch(data)
}

// slowBatch reads a batch the long way.
func slowBatch(data []byte) (Batch, []Record, error) {
	var b Batch
	if err := Decode(data, &b); err != nil {
		return Batch{}, nil, fmt.Errorf("batch: %w", err)
	}
	if err := b.Generation.Check(); err != nil {
		return Batch{}, nil, fmt.Errorf("batch: %w", err)
	}
	if len(b.Records) == 0 || len(b.Records) > MaxBatchRecords {
		return Batch{}, nil, fmt.Errorf("batch: %d records, 1 to %d expected", len(b.Records), MaxBatchRecords)
	}
	records := make([]Record, len(b.Records))
	for i := range b.Records {
		r, err := ParseRecord(b.Records[i].Record)
		if err != nil {
			return Batch{}, nil, fmt.Errorf("batch: record %d: %w", i, err)
		}
		if i > 0 && r.Seq != records[i-1].Seq+1 {
			return Batch{}, nil, fmt.Errorf("batch: record %d has seq %d after %d", i, r.Seq, records[i-1].Seq)
		}
		records[i] = r
	}
	return b, records, nil
}

// ParseRecord reads one record; its bytes must be canonical JSON (RFC 8785). Unknown kinds and unknown fields are taken
// as they are: a record of a newer machine is kept, proven and passed on like any other.
func ParseRecord(data []byte) (Record, error) {
	if len(data) > MaxRecord {
		return Record{}, fmt.Errorf("record of %d bytes: at most %d", len(data), MaxRecord)
	}
	if r, ok := fastRecord(data); ok {
		return r, nil
	}
	return slowRecord(data)
}

// slowRecord reads a record the long way.
func slowRecord(data []byte) (Record, error) {
	var r Record
	if err := decodeHint(data, &r); err != nil {
		return Record{}, err
	}
	if r.Seq == 0 || r.Kind == "" {
		return Record{}, fmt.Errorf("record without seq or kind")
	}
	if !IsCanonical(data) {
		return Record{}, fmt.Errorf("record %d is not canonical JSON (RFC 8785)", r.Seq)
	}
	if key := misspelt(data, reflect.TypeFor[Record]()); key != "" {
		return Record{}, fmt.Errorf(
			"record %d has a field %.64q that differs from a known one by upper and lower case",
			r.Seq,
			key,
		)
	}
	if _, offset := r.Wall.Zone(); offset != 0 || r.Wall.Nanosecond()%int(time.Millisecond) != 0 {
		return Record{}, fmt.Errorf(
			"record %d has the time %s, want UTC and milliseconds",
			r.Seq,
			r.Wall.Format(time.RFC3339Nano),
		)
	}
	return r, nil
}
