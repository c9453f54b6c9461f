// Package decided packs the decisions of machines. A pack takes about a sixth of the space of the records that contain
// the decisions, and reading a pack takes a fifth of the time. The hub replays a new policy over a million decisions
// from packs. A pack is a copy: the records in the ledger are the only proof of a decision.
//
//	records ─▶ Writer ─▶ pack ─▶ Reader ─▶ Decision
package decided

import (
	"portillon/wire"
)

// Decision is a decision of a machine, as a record contains it.
type Decision struct {
	Wall       int64 // time of the record by the machine's clock, in milliseconds since 1970
	Unreadable bool  // true: the record or its basis cannot be read
	wire.Decided
}

// Kinds returns the kinds of records that contain a decision.
func Kinds() []wire.Kind {
	return []wire.Kind{wire.SessionStart, wire.RoleChanged, wire.HandedOver, wire.Refused}
}

// Parse returns the decision in the canonical JSON of a record. wall is the time of the record in milliseconds since
// 1970. The decision is valid until the next call with the same reader.
func Parse(r *wire.DecidedReader, kind wire.Kind, wall int64, record []byte) Decision {
	d, err := r.Read(record)
	d.Kind = kind
	if err != nil {
		return Decision{Wall: wall, Unreadable: true, Decided: wire.Decided{Kind: kind}}
	}
	return Decision{Wall: wall, Decided: d}
}

// flags of a decision in a pack
const (
	unreadable = 1 << iota
	withBasis
	trusted
	tagged
	fault
	truncated
	withMember
	withSupervisor
	withIssued
	withLastTrusted
)

// flags of a person in a pack
const (
	blocked = 1 << iota
	withPractice
	withLast
)

// flags of a badge in a pack
const (
	withOther = 1 << iota
	withFrom
	withUntil
	withChecked
)

// version is the first byte of a pack. A Reader refuses packs of another version.
const version = 1

// headerSize is the size of a pack's header: the version, and the checksum of the remaining bytes (CRC-32, big endian).
const headerSize = 5

// maxWords is the maximum number of words in the dictionary of a pack. A stolen machine can sign records with any
// number of words.
const maxWords = 10_000
