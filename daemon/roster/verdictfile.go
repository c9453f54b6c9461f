package roster

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
	"sort"
	"time"

	"portillon/openbadge"
)

// The file of verdicts is read at every start, even on a Pi Zero, so its format is fast to read. The verdicts are
// sorted by the hashes of their credentials, and a verdict is decoded only when a member lists its credential.
//
//	magic, trust (32 bytes), rules (string), names (count, strings),
//	count (uint32), count × (SHA-256 of the credential (32 bytes), end of its verdict (uint32)),
//	verdicts, CRC-32C of all before
//
// Integers of a fixed size are big endian, and all other integers are varints (encoding/binary). A string is its length
// followed by its bytes. Values that many verdicts share (issuers, achievements, status lists) are stored once in the
// list of names, and each verdict refers to them by index.
const (
	verdictMagic = "portillon verdicts 1\n"
	entrySize    = sha256Size + 4
	sha256Size   = 32
	// maxVerdicts is the largest number of verdicts in a file: more than ten times the badges of the largest supported
	// site.
	maxVerdicts = 1 << 19
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// credentialHash is the SHA-256 of a credential's bytes.
type credentialHash [sha256Size]byte

// parseHash parses the hexadecimal form of a hash in a bundle.
func parseHash(s string) (h credentialHash, ok bool) {
	if len(s) != 2*sha256Size {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(s))
	return h, err == nil
}

// verdictFile is the content of a file of verdicts. The zero verdictFile contains no verdicts.
type verdictFile struct {
	names   []string
	entries []byte // entries of entrySize bytes each, sorted by hash
	// starts contains the index at which each group of hashes begins, and then the end of the last group.
	starts    []int32
	groupBits int
	bodies    string
}

func (f verdictFile) size() int { return len(f.entries) / entrySize }

func (f verdictFile) hash(i int) []byte { return f.entries[i*entrySize:][:sha256Size] }

func (f verdictFile) end(i int) uint32 {
	if i < 0 {
		return 0
	}
	return binary.BigEndian.Uint32(f.entries[i*entrySize+sha256Size:])
}

// group returns the group of a hash, which is a number from the leading bits of the hash. The number of groups is about
// twice the number of hashes.
func (f verdictFile) group(h []byte) int {
	return int(binary.BigEndian.Uint16(h)) >> (16 - f.groupBits)
}

// find returns the index of a credential's verdict.
func (f verdictFile) find(h credentialHash) (int, bool) {
	if f.size() == 0 {
		return 0, false
	}
	g := f.group(h[:])
	// The hashes are spread evenly, so a group usually contains at most two hashes.
	for i := f.starts[g]; i < f.starts[g+1]; i++ {
		if bytes.Equal(f.hash(int(i)), h[:]) {
			return int(i), true
		}
	}
	return 0, false
}

// buildIndex fills starts, and returns an error if the entries are not sorted.
func (f *verdictFile) buildIndex() error {
	f.groupBits = min(16, bits.Len(uint(f.size())))
	f.starts = make([]int32, 1<<f.groupBits+1)
	for i := range f.size() {
		h := f.hash(i)
		if i > 0 && bytes.Compare(f.hash(i-1), h) >= 0 {
			return errVerdicts
		}
		f.starts[f.group(h)+1]++
	}
	for g := range len(f.starts) - 1 {
		f.starts[g+1] += f.starts[g]
	}
	return nil
}

// verdict decodes the verdict at index i, and returns false if the verdict is invalid although the file's checksum is
// correct.
func (f verdictFile) verdict(i int) (verdict, bool) {
	from, to := f.end(i-1), f.end(i)
	if from > to || int64(to) > int64(len(f.bodies)) {
		return verdict{}, false
	}
	d := decoder{rest: f.bodies[from:to], names: f.names}
	v := d.verdict()
	return v, !d.failed && d.rest == ""
}

var errVerdicts = errors.New("file is not a file of verdicts in this format")

// parseVerdicts parses a file of verdicts. If the file was written for other trusted keys or under other rules, the
// result contains no verdicts.
func parseVerdicts(data []byte, trust credentialHash, rules string) (verdictFile, error) {
	if len(data) < len(verdictMagic)+sha256Size+4 || string(data[:len(verdictMagic)]) != verdictMagic {
		return verdictFile{}, errVerdicts
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return verdictFile{}, errVerdicts
	}
	body = body[len(verdictMagic):]
	if !bytes.Equal(body[:sha256Size], trust[:]) {
		return verdictFile{}, nil
	}
	d := decoder{rest: string(body[sha256Size:])}
	if d.text() != rules {
		return verdictFile{}, nil
	}
	for range d.count(math.MaxUint16) {
		d.names = append(d.names, d.text())
	}
	n := int64(d.fixed())
	if d.failed || n > maxVerdicts || n*entrySize > int64(len(d.rest)) {
		return verdictFile{}, errVerdicts
	}
	f := verdictFile{names: d.names, entries: []byte(d.rest[:n*entrySize]), bodies: d.rest[n*entrySize:]}
	if err := f.buildIndex(); err != nil {
		return verdictFile{}, err
	}
	return f, nil
}

// known is a verdict together with its credential's hash.
type known struct {
	hash    credentialHash
	verdict verdict
}

// formatVerdicts returns the content of a file of verdicts.
func formatVerdicts(all []known, trust credentialHash, rules string) []byte {
	sort.Slice(all, func(i, j int) bool { return bytes.Compare(all[i].hash[:], all[j].hash[:]) < 0 })
	e := encoder{places: map[string]uint64{}}
	index := make([]byte, 0, len(all)*entrySize)
	for _, k := range all {
		e.verdict(k.verdict)
		index = append(index, k.hash[:]...)
		index = binary.BigEndian.AppendUint32(index, uint32(len(e.out)))
	}
	head := encoder{out: append([]byte(verdictMagic), trust[:]...)}
	head.text(rules)
	head.number(uint64(len(e.names)))
	for _, n := range e.names {
		head.text(n)
	}
	out := binary.BigEndian.AppendUint32(head.out, uint32(len(all)))
	out = append(append(out, index...), e.out...)
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// These flags form the first byte of a verdict.
const (
	isValid = 1 << iota
	isHosted
	hasFrom
	hasUntil
)

type encoder struct {
	out    []byte
	names  []string
	places map[string]uint64
}

func (e *encoder) number(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	e.out = append(e.out, s...)
}

func (e *encoder) name(s string) {
	i, ok := e.places[s]
	if !ok {
		i = uint64(len(e.names))
		e.places[s], e.names = i, append(e.names, s)
	}
	e.number(i)
}

func (e *encoder) time(t time.Time) {
	e.out = binary.AppendVarint(e.out, t.Unix())
	e.number(uint64(t.Nanosecond()))
}

func (e *encoder) verdict(v verdict) {
	var flags byte
	for _, x := range []struct {
		bit byte
		set bool
	}{{isValid, v.Valid}, {isHosted, v.Hosted}, {hasFrom, !v.From.IsZero()}, {hasUntil, !v.Until.IsZero()}} {
		if x.set {
			flags |= x.bit
		}
	}
	e.out = append(e.out, flags)
	if !v.Valid {
		return
	}
	e.text(v.ID)
	e.text(v.UID)
	e.name(v.Issuer)
	e.name(v.Achievement)
	if !v.From.IsZero() {
		e.time(v.From)
	}
	if !v.Until.IsZero() {
		e.time(v.Until)
	}
	e.text(v.Subject)
	e.number(uint64(len(v.Identifiers)))
	for _, i := range v.Identifiers {
		e.name(i.Type)
		e.text(i.Hash)
		e.number(map[bool]uint64{true: 1}[i.Hashed])
		e.text(i.Salt)
	}
	e.number(uint64(len(v.Status)))
	for _, s := range v.Status {
		e.name(s.Type)
		e.name(s.List)
		e.name(s.Purpose)
		e.out = binary.AppendVarint(e.out, s.Index)
		e.out = binary.AppendVarint(e.out, s.Size)
	}
}

// decoder decodes the output of encoder. The decoded strings share the memory of the file's content, so the content
// stays in memory as long as a string is used.
type decoder struct {
	rest   string
	names  []string
	failed bool
}

func (d *decoder) fail() { d.rest, d.failed = "", true }

// number reads a varint (encoding/binary, Uvarint).
func (d *decoder) number() uint64 {
	var x uint64
	for i := range min(len(d.rest), binary.MaxVarintLen64) {
		b := d.rest[i]
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.rest = d.rest[i+1:]
			return x
		}
	}
	d.fail()
	return 0
}

// signed reads a zigzag varint (encoding/binary, Varint).
func (d *decoder) signed() int64 {
	u := d.number()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads the number of items that follow. Each item takes at least one byte, so the number cannot exceed the
// remaining bytes.
func (d *decoder) count(most uint64) int {
	n := d.number()
	if n > most || n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) fixed() uint32 {
	if len(d.rest) < 4 {
		d.fail()
		return 0
	}
	n := binary.BigEndian.Uint32([]byte(d.rest[:4]))
	d.rest = d.rest[4:]
	return n
}

func (d *decoder) text() string {
	n := d.count(math.MaxInt32)
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) name() string {
	i := d.number()
	if i >= uint64(len(d.names)) {
		d.fail()
		return ""
	}
	return d.names[i]
}

func (d *decoder) time() time.Time {
	sec, nano := d.signed(), d.number()
	return time.Unix(sec, int64(min(nano, 999_999_999))).UTC()
}

// These constants limit the size of one verdict. Each limit is greater than what package openbadge allows in a
// credential.
const (
	maxIdentifiers = 1 << 12
	maxStatuses    = 1 << 6
)

func (d *decoder) verdict() (v verdict) {
	if d.rest == "" {
		d.fail()
		return verdict{}
	}
	flags := d.rest[0]
	d.rest = d.rest[1:]
	if flags&isValid == 0 {
		return verdict{}
	}
	v.Valid, v.Hosted = true, flags&isHosted != 0
	v.ID, v.UID, v.Issuer, v.Achievement = d.text(), d.text(), d.name(), d.name()
	if flags&hasFrom != 0 {
		v.From = d.time()
	}
	if flags&hasUntil != 0 {
		v.Until = d.time()
	}
	v.Subject = d.text()
	if n := d.count(maxIdentifiers); n > 0 {
		v.Identifiers = make([]openbadge.Identity, n)
	}
	for i := range v.Identifiers {
		v.Identifiers[i] = openbadge.Identity{Type: d.name(), Hash: d.text(), Hashed: d.number() == 1, Salt: d.text()}
	}
	if n := d.count(maxStatuses); n > 0 {
		v.Status = make([]openbadge.StatusEntry, n)
	}
	for i := range v.Status {
		v.Status[i] = openbadge.StatusEntry{
			Type:    d.name(),
			List:    d.name(),
			Purpose: d.name(),
			Index:   d.signed(),
			Size:    d.signed(),
		}
	}
	if d.failed {
		return verdict{}
	}
	return v
}
