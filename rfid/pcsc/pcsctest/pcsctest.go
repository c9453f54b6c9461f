// Package pcsctest simulates pcscd, with faults on request. Its implementation of the socket's protocol follows
// pcsc-lite's src/winscard_svc.c and shares no code with package pcsc. On Linux it also runs Debian's pcscd with a
// virtual reader (vpcd) in its own network namespace, and simulates the card in that reader.
package pcsctest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"
)

// These are the commands, with their numbers from enum pcsc_msg_commands.
const (
	Establish  = 0x01
	Connect    = 0x04
	Disconnect = 0x06
	Transmit   = 0x09
	Version    = 0x11
	Readers    = 0x12
)

// Card answers a command as a card on the reader does. If Card returns an error, the card has left the reader.
type Card func(command []byte) ([]byte, error)

// Reader is a row of the server's table of readers.
type Reader struct {
	Name    string
	Card    Card // nil: no card
	Events  uint32
	NotYet  bool   // pcscd has not polled this reader yet
	Sharing bool   // another program uses this reader
	Code    uint32 // pcscd's result for a request to connect to the card; 0: success
}

// Faults are the faults that a server simulates. The zero Faults simulates no fault.
type Faults struct {
	Refuse bool          // pcscd closes each connection without an answer, as it does when polkit refuses the client
	Silent bool          // answer no request
	Delay  time.Duration // pcscd waits for this time before each answer
	Only   uint32        // the command to which the faults below apply; 0: all commands
	// pcscd sends this many bytes of the answer, then closes the connection; 0: pcscd sends all bytes
	Cut     int
	Mangle  func([]byte) []byte
	Garbage []byte // pcscd sends this text instead of the answer; empty: the correct answer
}

// Server simulates pcscd. The zero Server simulates the pcscd of Debian 13, without readers.
type Server struct {
	mu      sync.Mutex
	minor   uint32
	readers []*Reader
	faults  Faults
	open    int            // number of connections to cards that clients hold
	said    map[uint32]int // number of received requests, by command
}

// Set calls f while the server processes no request.
func (s *Server) Set(f func(readers *[]*Reader, faults *Faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.readers, &s.faults)
}

// Speak sets the minor version of the protocol. Debian 12 has minor version 4; 0 means minor version 5 (Debian 13).
func (s *Server) Speak(minor uint32) { s.mu.Lock(); s.minor = minor; s.mu.Unlock() }

// Said returns how many requests with this command the server has received.
func (s *Server) Said(command uint32) int { s.mu.Lock(); defer s.mu.Unlock(); return s.said[command] }

// Open returns the number of connected cards.
func (s *Server) Open() int { s.mu.Lock(); defer s.mu.Unlock(); return s.open }

// Insert puts the card c on a reader, or removes the card if c is nil, and updates the state of the reader.
func (s *Server) Insert(name string, c Card) {
	s.Set(func(readers *[]*Reader, _ *Faults) {
		for _, r := range *readers {
			if r.Name == name {
				r.Card = c
				r.Events++
			}
		}
	})
}

// session is one client's connection; it holds the reader for each handle.
type session struct {
	*Server
	handles map[uint32]*Reader
	next    uint32
}

// Serve answers one connection until it ends.
func (s *Server) Serve(conn net.Conn) {
	defer conn.Close()
	x := session{s, map[uint32]*Reader{}, 0x1000}
	defer func() { s.mu.Lock(); s.open -= len(x.handles); s.mu.Unlock() }()
	refused := false
	s.Set(func(_ *[]*Reader, f *Faults) { refused = f.Refuse })
	if refused {
		conn.Read(make([]byte, 1)) // like pcscd, leave the rest of the input unread, so that Close resets the connection
		return
	}
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		size, command := get(head, 0), get(head, 4)
		body := make([]byte, min(size, 1<<16))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		var data []byte
		if command == Transmit {
			data = make([]byte, min(get(body, 12), 1<<16))
			if _, err := io.ReadFull(conn, data); err != nil {
				return
			}
		}
		if !x.reply(conn, command, body, data) {
			return
		}
	}
}

// reply answers one request, applying the current faults.
func (x *session) reply(conn net.Conn, command uint32, body, data []byte) bool {
	x.mu.Lock()
	if x.said == nil {
		x.said = map[uint32]int{}
	}
	x.said[command]++
	answer := x.answer(command, body, data)
	f := x.faults
	x.mu.Unlock()
	if answer == nil {
		return false
	}
	time.Sleep(f.Delay)
	if f.Only == 0 || f.Only == command {
		switch {
		case f.Silent:
			return true
		case f.Mangle != nil:
			answer = f.Mangle(answer)
		case f.Garbage != nil:
			answer = f.Garbage
		case f.Cut > 0:
			conn.Write(answer[:min(f.Cut, len(answer))])
			return false
		}
	}
	_, err := conn.Write(answer)
	return err == nil
}

// answer returns pcscd's answer; nil means that pcscd closes the connection.
func (x *session) answer(command uint32, body, data []byte) []byte {
	want := map[uint32]int{Version: 12, Establish: 12, Connect: 152, Disconnect: 12, Transmit: 32, Readers: 0}
	if n, ok := want[command]; !ok || n != len(body) {
		return nil
	}
	out := bytes.Clone(body)
	switch command {
	case Version:
		minor := x.minor
		if minor == 0 {
			minor = 5
		}
		if get(body, 0) != 4 || get(body, 4) != minor {
			put(out, 8, 0x8010001E) // SCARD_E_SERVICE_STOPPED
		}
		put(out, 0, 4)
		put(out, 4, minor)
	case Establish:
		put(out, 4, 0x0BADCAFE)
	case Readers:
		out = x.table()
	case Connect:
		x.connect(out)
	case Disconnect:
		// Refuse every action except SCARD_LEAVE_CARD, because a reset of an absent card leaves pcscd in a wrong state.
		if x.handles[get(body, 0)] == nil || get(body, 4) != 0 {
			return nil
		}
		delete(x.handles, get(body, 0))
		x.open--
	case Transmit:
		return x.transmit(out, data)
	}
	return out
}

// table returns READER_STATE readerStates[16] with the layout of an ARM or x86 compiler.
func (x *session) table() []byte {
	out := make([]byte, 16*184)
	for i, r := range x.readers {
		row := out[i*184:]
		copy(row[:128], r.Name)
		put(row, 128, r.Events)
		state, length := uint32(2), uint32(0) // SCARD_ABSENT
		if r.Card != nil {
			state, length = 0x34, 5 // SCARD_PRESENT, POWERED, NEGOTIABLE
			copy(row[140:], "\x3B\x80\x80\x01\x01")
		}
		if r.NotYet {
			length = 34
		}
		put(row, 132, state)
		put(row, 176, length)
	}
	return out
}

func (x *session) connect(out []byte) {
	name, _, _ := bytes.Cut(out[4:132], []byte{0})
	put(out, 148, 0x80100009) // SCARD_E_UNKNOWN_READER
	if get(out, 0) != 0x0BADCAFE {
		put(out, 148, 0x80100003) // SCARD_E_INVALID_HANDLE
		return
	}
	for _, r := range x.readers {
		switch {
		case r.Name != string(name):
		case r.Code != 0:
			put(out, 148, r.Code)
		case r.Sharing || get(out, 132) != 1 || x.open > 0:
			put(out, 148, 0x8010000B) // SCARD_E_SHARING_VIOLATION
		case r.Card == nil:
			put(out, 148, 0x8010000C) // SCARD_E_NO_SMARTCARD
		default:
			x.next++
			x.handles[x.next] = &Reader{Name: r.Name, Events: r.Events}
			x.open++
			put(out, 140, x.next)
			put(out, 144, 2) // T=1
			put(out, 148, 0)
		}
	}
}

func (x *session) transmit(out, data []byte) []byte {
	held := x.handles[get(out, 0)]
	if held == nil {
		return nil
	}
	put(out, 28, 0x80100069) // SCARD_W_REMOVED_CARD
	for _, r := range x.readers {
		if r.Name != held.Name || r.Card == nil || r.Events != held.Events {
			continue
		}
		if a, err := r.Card(data); err == nil {
			room := get(out, 24)
			put(out, 24, uint32(len(a)))
			if uint32(len(a)) > room {
				put(out, 28, 0x80100008) // the code SCARD_E_INSUFFICIENT_BUFFER, without data
				return out
			}
			put(out, 28, 0)
			return append(out, a...)
		}
	}
	return out
}

func get(b []byte, at int) uint32    { return binary.LittleEndian.Uint32(b[at:]) }
func put(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }

// Numbered returns a card that answers only the request for its number.
func Numbered(uid string) Card {
	return func(command []byte) ([]byte, error) {
		if bytes.Equal(command, []byte{0xFF, 0xCA, 0, 0, 0}) {
			return append([]byte(uid), 0x90, 0), nil
		}
		return []byte{0x6D, 0}, nil
	}
}
