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

// Checkpoint is a machine's signed statement about its journal: how many records the journal has, and the root of the
// tree over them.
type Checkpoint struct {
	Origin string // name of the journal: portillon/<site>/<machine>, or portillon/<site>/<machine>/<generation>
	Size   uint64 // number of records
	Root   tlog.Hash
}

// Origin returns the name of the machine's journal that has the empty generation. For other generations use
// Generation.Origin.
func Origin(s policy.SiteID, m policy.MachineID) string {
	return "portillon/" + string(s) + "/" + string(m)
}

// SignCheckpoint writes c in the format C2SP tlog-checkpoint: origin, size and root in base64, each on its own line,
// and then the signature.
func SignCheckpoint(c Checkpoint, s note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	return note.Sign(&note.Note{Text: text}, s)
}

// OpenCheckpoint verifies the signature and parses the checkpoint. The checkpoint's origin must equal the parameter
// origin.
func OpenCheckpoint(data []byte, origin string, keys note.Verifiers) (Checkpoint, error) {
	text, err := openText(data, keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 3 {
		return Checkpoint{}, fmt.Errorf("checkpoint has %d lines, want 3", len(lines))
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("checkpoint: size %.30q is not a decimal number", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("checkpoint: root %.60q is not a hash in base64", lines[2])
	}
	if lines[0] != origin {
		return Checkpoint{}, fmt.Errorf("checkpoint: origin is %.100q, want %q", lines[0], origin)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// Batch is one message on a machine's records topic: consecutive records, and a checkpoint of the journal up to the
// last of them. A hub that holds all earlier records can recompute the root, and thus detects a record that this
// machine did not write.
type Batch struct {
	Records    []Leafed `json:"records"`
	Checkpoint string   `json:"checkpoint"` // the checkpoint, as a signed note
	// Generation is the generation of the journal, which the signed origin contains too.
	Generation Generation `json:"generation,omitempty"`
}

// Leafed is a record with the salt of its leaf.
type Leafed struct {
	Salt   Salt            `json:"salt"`
	Record json.RawMessage `json:"record"` // the record, as canonical JSON
}

const (
	// MaxBatch is the largest size of a batch, in bytes. The limit is below 1 MB, the largest message that NATS accepts.
	MaxBatch = 512 << 10
	// MaxBatchRecords is the largest number of records in a batch.
	MaxBatchRecords = 200
	// MaxRecord is the largest size of a record, in bytes.
	MaxRecord = 8 << 10
)

// ParseBatch parses a batch. The records are not authenticated yet: the caller must open the checkpoint and recompute
// the root. The result may share memory with data, so the caller must not change data afterwards.
func ParseBatch(data []byte) (Batch, []Record, error) {
	if len(data) > MaxBatch {
		return Batch{}, nil, fmt.Errorf("batch has %d bytes, want at most %d", len(data), MaxBatch)
	}
	if b, records, ok := parseBatchFast(data); ok {
		return b, records, nil
	}
	return parseBatchSlowly(data)
}

// parseBatchSlowly parses a batch with encoding/json and returns the exact error.
func parseBatchSlowly(data []byte) (Batch, []Record, error) {
	var b Batch
	if err := Decode(data, &b); err != nil {
		return Batch{}, nil, fmt.Errorf("batch: %w", err)
	}
	if err := b.Generation.Check(); err != nil {
		return Batch{}, nil, fmt.Errorf("batch: %w", err)
	}
	if len(b.Records) == 0 || len(b.Records) > MaxBatchRecords {
		return Batch{}, nil, fmt.Errorf("batch has %d records, want 1 to %d", len(b.Records), MaxBatchRecords)
	}
	records := make([]Record, len(b.Records))
	for i := range b.Records {
		r, err := ParseRecord(b.Records[i].Record)
		if err != nil {
			return Batch{}, nil, fmt.Errorf("batch: record %d: %w", i, err)
		}
		if i > 0 && r.Seq != records[i-1].Seq+1 {
			return Batch{}, nil, fmt.Errorf("batch: record %d has seq %d, want the seq after %d", i, r.Seq, records[i-1].Seq)
		}
		records[i] = r
	}
	return b, records, nil
}

// ParseRecord parses one record, whose bytes must be canonical JSON (RFC 8785). ParseRecord accepts unknown kinds and
// unknown fields, because the hub stores, verifies and forwards the records of a newer machine like all others.
func ParseRecord(data []byte) (Record, error) {
	if len(data) > MaxRecord {
		return Record{}, fmt.Errorf("record has %d bytes, want at most %d", len(data), MaxRecord)
	}
	if r, ok := parseRecordFast(data); ok {
		return r, nil
	}
	return parseRecordSlowly(data)
}

// parseRecordSlowly parses a record with encoding/json and returns the exact error.
func parseRecordSlowly(data []byte) (Record, error) {
	var r Record
	if err := decodeHint(data, &r); err != nil {
		return Record{}, err
	}
	if r.Seq == 0 || r.Kind == "" {
		return Record{}, fmt.Errorf("record has no seq or no kind")
	}
	if !IsCanonical(data) {
		return Record{}, fmt.Errorf("record %d is not canonical JSON (RFC 8785)", r.Seq)
	}
	if key := misspeltKey(data, reflect.TypeFor[Record]()); key != "" {
		return Record{}, fmt.Errorf(
			"record %d: field %.64q differs from a known field only in upper and lower case",
			r.Seq,
			key,
		)
	}
	if _, offset := r.Wall.Zone(); offset != 0 || r.Wall.Nanosecond()%int(time.Millisecond) != 0 {
		return Record{}, fmt.Errorf(
			"record %d: time %s, want UTC with at most milliseconds",
			r.Seq,
			r.Wall.Format(time.RFC3339Nano),
		)
	}
	return r, nil
}
