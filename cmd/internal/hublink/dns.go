package hublink

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// This file implements the part of DNS messages (RFC 1035 §4) that multicast DNS needs: one question, and answers with
// A and SRV records. A library for all of DNS would add 80 KB to the program.

// These constants are the types of DNS records (RFC 1035 §3.2.2, RFC 2782).
const (
	typeA   = 1
	typePTR = 12
	typeSRV = 33
)

const (
	classInternet = 1
	// unicastAnswer is the bit that requests an answer to the sender only (RFC 6762 §5.4).
	unicastAnswer = 1 << 15
	// responseFlag is QR, the highest bit of the header's flags (RFC 1035 §4.1.1).
	responseFlag = 1 << 15
	// maxName is the maximum length of a name, in bytes (RFC 1035 §2.3.4).
	maxName = 255
	// maxRecords is the limit of questions and records in one message.
	maxRecords = 256
)

// record is a resource record. The field kind determines which of the other fields are set.
type record struct {
	name    string // name in lower case, with a final dot
	kind    uint16
	address netip.Addr // set for typeA
	port    uint16     // set for typeSRV
	target  string     // set for typeSRV
}

// pointerQuery returns a message that asks for the PTR records of a name.
func pointerQuery(name string) []byte {
	q := []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0} // header with id 0 (RFC 6762 §18.1), no flags, and one question
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	q = append(q, 0)
	q = binary.BigEndian.AppendUint16(q, typePTR)
	return binary.BigEndian.AppendUint16(q, classInternet|unicastAnswer)
}

var errMessage = errors.New("multicast DNS message is malformed")

// dnsReader reads a message from start to end. After the first error, every method of dnsReader returns zero.
type dnsReader struct {
	message []byte
	at      int
	bad     bool
}

// next returns the next n bytes.
func (r *dnsReader) next(n int) []byte {
	if r.bad || len(r.message)-r.at < n {
		r.bad = true
		return make([]byte, n)
	}
	r.at += n
	return r.message[r.at-n : r.at]
}

func (r *dnsReader) uint16() uint16 { return binary.BigEndian.Uint16(r.next(2)) }

// name reads a name, in lower case with a final dot. A pointer (RFC 1035 §4.1.4) must lead to an earlier offset than
// the previous pointer, so that a chain of pointers ends.
func (r *dnsReader) name() string {
	var b strings.Builder
	// The variable end is the offset after the first pointer, at which reading continues; the variable before is the limit
	// for the next pointer.
	end, before := -1, r.at
	for !r.bad {
		length := int(r.next(1)[0])
		switch {
		case length == 0:
			if end >= 0 {
				r.at = end
			}
			return strings.ToLower(b.String()) + map[bool]string{true: "."}[b.Len() == 0]
		case length >= 0xc0: // a pointer
			to := (length&0x3f)<<8 | int(r.next(1)[0])
			if end < 0 {
				end = r.at
			}
			r.bad = r.bad || to >= before
			r.at, before = to, to
		case length > 63:
			r.bad = true
		default:
			b.Write(r.next(length))
			b.WriteByte('.')
			r.bad = r.bad || b.Len() > maxName
		}
	}
	return ""
}

// record reads one resource record (RFC 1035 §4.1.3).
func (r *dnsReader) record() record {
	out := record{name: r.name(), kind: r.uint16()}
	r.next(6) // skip class and time to live: the results are used at once, and a certificate proves the hub
	length := int(r.uint16())
	end := r.at + length
	switch {
	case out.kind == typeA && length == 4:
		out.address = netip.AddrFrom4([4]byte(r.next(4)))
	case out.kind == typeSRV && length > 6:
		r.next(4) // priority and weight
		out.port, out.target = r.uint16(), r.name()
	case out.kind == typeA, out.kind == typeSRV:
		r.bad = true
	default:
		r.next(length)
	}
	r.bad = r.bad || r.at != end
	return out
}

// parseAnswer reads all records of a response.
func parseAnswer(message []byte) ([]record, error) {
	r := &dnsReader{message: message}
	r.next(2) // id
	flags := r.uint16()
	questions, records := int(r.uint16()), int(r.uint16())+int(r.uint16())+int(r.uint16())
	if r.bad || flags&responseFlag == 0 || questions > maxRecords || records > maxRecords {
		return nil, errMessage
	}
	for range questions {
		r.name()
		r.next(4) // type and class
	}
	var out []record
	for range records {
		x := r.record()
		if r.bad {
			return nil, errMessage
		}
		out = append(out, x)
	}
	return out, nil
}
