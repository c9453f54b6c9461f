package pcsc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// These are reasons why a reader cannot be used. Errors of Open, Readers and Device.Poll wrap one of these errors if
// the cause is known.
var (
	ErrNoService = errors.New("pcscd is not running: its socket is missing or refuses connections")
	ErrRefused   = errors.New("pcscd refuses this user: polkit does not allow " +
		"org.debian.pcsc-lite.access_pcsc and access_card")
	ErrVersion  = errors.New("pcscd uses an unsupported version of its protocol")
	ErrSilent   = errors.New("pcscd does not answer")
	ErrNoReader = errors.New("reader is not in pcscd's list of readers")
	ErrBusy     = errors.New("another program uses the reader exclusively")
)

// client is one connection to pcscd, with its own context in pcscd. After an error of the connection only Close may
// be called. A client is not safe for concurrent use.
type client struct {
	conn    net.Conn
	context uint32
	err     error // the error that ended the use of this connection; nil: none
}

// card is pcscd's handle for a connected card in a reader.
type card struct {
	handle, protocol uint32
}

// greet negotiates a version and opens a context, before the deadline.
func greet(conn net.Conn, deadline time.Time) (*client, error) {
	c := &client{conn: conn}
	c.setDeadline(deadline)
	if err := c.negotiate(); err != nil {
		return nil, err
	}
	a, err := c.call(cmdEstablish, encodeWords(scopeSystem, 0, 0), nil, sizeEstablish)
	if err != nil {
		return nil, err
	}
	c.context = word(a, 4)
	return c, code(word(a, 8)).err("establish a context")
}

// negotiate tells pcscd the version of the protocol that this client uses. If pcscd supports only another version, it
// answers with that version and keeps the connection open.
func (c *client) negotiate() error {
	var theirs [2]uint32
	for _, minor := range minors {
		a, err := c.call(cmdVersion, encodeWords(protocolMajor, minor, 0), nil, sizeVersion)
		if err != nil && !errors.Is(err, ErrSilent) && !errors.Is(err, io.ErrUnexpectedEOF) {
			// Before pcscd answers, it asks polkit whether this process may connect. If polkit refuses the client, pcscd
			// closes the connection without an answer (src/winscard_svc.c, ContextThread).
			return fmt.Errorf("%w (%w)", ErrRefused, err)
		}
		if err != nil {
			return err
		}
		if theirs = [2]uint32{word(a, 0), word(a, 4)}; theirs == [2]uint32{protocolMajor, minor} && word(a, 8) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: pcscd has version %d.%d, want 4.4 or 4.5", ErrVersion, theirs[0], theirs[1])
}

// setDeadline sets the deadline of all following calls.
func (c *client) setDeadline(deadline time.Time) {
	if err := c.conn.SetDeadline(deadline); err != nil && c.err == nil {
		c.err = err
	}
}

// call sends a request and reads size bytes of its answer.
func (c *client) call(command uint32, structure, data []byte, size int) ([]byte, error) {
	if c.err == nil {
		_, c.err = c.conn.Write(encodeRequest(command, structure, data))
	}
	return c.read(size)
}

// read reads exactly size bytes of pcscd's answer.
func (c *client) read(size int) ([]byte, error) {
	b := make([]byte, size)
	if c.err == nil {
		_, c.err = io.ReadFull(c.conn, b)
	}
	if errors.Is(c.err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%w within the time limit", ErrSilent)
	}
	if c.err != nil {
		return nil, fmt.Errorf("pcscd: %w", c.err)
	}
	return b, nil
}

// fail stores errGarbage as the connection's fatal error, because after such an answer the client does not know where
// the next answer begins.
func (c *client) fail(err error) error {
	if errors.Is(err, errGarbage) {
		c.err = err
	}
	return err
}

// readers returns pcscd's list of readers.
func (c *client) readers() ([]state, error) {
	b, err := c.call(cmdReaders, nil, nil, maxReaders*sizeReader)
	if err != nil {
		return nil, err
	}
	list, err := parseReaders(b)
	return list, c.fail(err)
}

// connect connects to the card in a reader, exclusively.
func (c *client) connect(name string) (card, code, error) {
	structure := encodeWords(c.context)
	structure = append(structure, make([]byte, maxName)...)
	copy(structure[4:4+maxName-1], name)
	structure = append(structure, encodeWords(shareExclusive, protocolAny, 0, 0, 0)...)
	b, err := c.call(cmdConnect, structure, nil, sizeConnect)
	if err != nil {
		if errors.Is(
			err,
			io.EOF,
		) { // if polkit refuses access to the card, pcscd 1.9 closes the connection, and 2.x answers codeSecurity
			err = fmt.Errorf("%w (%w)", ErrRefused, err)
		}
		return card{}, 0, err
	}
	handle, protocol, rv, err := parseConnect(b)
	return card{handle, protocol}, rv, c.fail(err)
}

// disconnect ends the connection to a removed card, without a reset. disconnect requests no reset. Otherwise, if the
// card were already back and pcscd (1.9.9 and 2.3.3, SCardDisconnect) could not reset it, pcscd would list the reader
// as empty until the card is removed again. When the client's connection to pcscd ends, pcscd resets a present card,
// and the card loses its authentication.
func (c *client) disconnect(k card) error {
	_, err := c.call(cmdDisconnect, encodeWords(k.handle, leaveCard, 0), nil, sizeDisconnect)
	return err
}

// transmit sends a command to a card or its reader, and returns the answer.
func (c *client) transmit(k card, command []byte) ([]byte, code, error) {
	structure := encodeWords(k.handle, k.protocol, ioRequestLength, uint32(len(command)),
		k.protocol, ioRequestLength, maxAnswer, 0)
	b, err := c.call(cmdTransmit, structure, command, sizeTransmit)
	if err != nil {
		return nil, 0, err
	}
	n, rv, err := parseTransmit(b, k.handle)
	if err != nil || rv != codeOK {
		return nil, rv, c.fail(err)
	}
	b, err = c.read(n)
	return b, codeOK, err
}

// dial connects to pcscd's socket. If systemd starts pcscd on demand, the socket file exists before pcscd runs.
func dial(socket string, deadline time.Time) (*client, error) {
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("unix", socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: %w", ErrNoService, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	case err != nil: // EAGAIN: pcscd hangs and accepts no connection, so its queue of connections is full
		return nil, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	c, err := greet(conn, deadline)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// find returns the first reader in the list for whose name the function is returns true.
func find(list []state, is func(string) bool) (state, bool) {
	i := slices.IndexFunc(list, func(s state) bool { return is(s.name) })
	if i < 0 {
		return state{}, false
	}
	return list[i], true
}

func names(list []state) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.name)
	}
	return out
}
