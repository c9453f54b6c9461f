package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"portillon/wire"
)

// Limits of connections and packets.
const (
	// maxGreeting is the maximum number of connections without a CONNECT, in addition to one per account, because all
	// machines of a site connect together after a restart. A further connection replaces the oldest connection. The
	// oldest connection is unlikely to be a real client, because real clients send their CONNECT within milliseconds.
	maxGreeting = 128
	// greetTime is the maximum time for the TLS handshake and the CONNECT, as in the machine's client (daemon/uplink).
	// If all machines connect at once, the last handshake takes seconds on a small computer.
	greetTime = 10 * time.Second
	// refuseAfter is the delay before the proxy sends a refusal, so that repeated attempts cost little. During the
	// delay the connection counts toward maxGreeting.
	refuseAfter = 500 * time.Millisecond
	// stallTime is the time after which the proxy closes the connection of a peer that does not read.
	stallTime = 20 * time.Second
	// maxOther is the maximum length of packets other than PUBLISH, in bytes.
	maxOther = 64 << 10
	// Sizes of the proxy's three buffers per connection, in bytes. The buffers are small because most packets have a
	// few hundred bytes, and 1,000 machines need 3,000 buffers.
	readBuffer, writeBuffer, downBuffer = 2 << 10, 1 << 10, 1 << 10
)

// proxy accepts the clients' connections and forwards their packets to the embedded server. The proxy checks accounts,
// client ids and limits, because the embedded server does not, and never changes a message.
type proxy struct {
	l         net.Listener
	tls       *tls.Config
	inner     string   // address of the embedded server
	unknown   *account // pseudo account that counts clients with an unknown user name or a wrong password
	log       *slog.Logger
	now       func() time.Time
	manifests *manifests
	ctx       context.Context // ends all waits
	cancel    context.CancelFunc
	work      sync.WaitGroup
	accounts  accountTable
	clients   connections
}

// newProxy returns a proxy that does not accept connections yet.
func newProxy(l net.Listener, inner string, c Config, accounts map[string]*account) *proxy {
	p := &proxy{l: l, tls: c.TLS, inner: inner, log: c.Log, now: time.Now,
		accounts: accountTable{byName: accounts}, clients: connections{all: map[net.Conn]bool{}},
		manifests: newManifests(wire.Topics{Site: c.Site}.Bundle())}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.unknown = &account{refused: map[string]*refusal{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// open starts to accept connections. Until then, the operating system queues connections.
func (p *proxy) open() {
	if p.clients.open() {
		p.work.Go(p.accept)
	}
}

// close closes the listener and all connections, and waits for their goroutines.
func (p *proxy) close() error {
	err := p.clients.close(p.l)
	p.cancel()
	p.work.Wait()
	return err
}

// accept serves new connections until the listener is closed.
func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		switch {
		case err == nil:
			p.serveNew(func() { p.serve(c, p.tls) }, c)
		case errors.Is(err, net.ErrClosed):
			return
		default: // wait before the next try: for example, the process has no free file descriptors
			p.refuse(p.unknown, "accept failed", err.Error())
			if wait(p.ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}
}

// serveNew registers and serves a new connection. serveNew returns false if the proxy is closed.
func (p *proxy) serveNew(serve func(), c net.Conn) bool {
	return p.clients.add(c, maxGreeting+p.accounts.count(), func() { p.work.Go(serve) })
}

// serve serves one connection until the connection ends. If config is nil, the proxy uses no TLS.
func (p *proxy) serve(raw net.Conn, config *tls.Config) {
	defer p.clients.remove(raw)
	raw.SetDeadline(time.Now().Add(greetTime))
	c := raw
	if config != nil {
		t := tls.Server(raw, config)
		if err := t.Handshake(); err != nil {
			return
		}
		c = t
	}
	// Read the CONNECT, and find the account with the CONNECT's user name.
	r := bufio.NewReaderSize(c, readBuffer)
	hello, err := readConnect(r)
	if err != nil {
		if errors.Is(err, errProtocol) {
			c.Write(connackPacket(badProtocol))
		}
		return
	}
	a, code, why := p.admit(raw, hello)
	if code != 0 {
		p.refuse(a, why, fmt.Sprintf("client id %.100q, user %.64q, from %s", hello.id, hello.user, raw.RemoteAddr()))
		if wait(p.ctx, refuseAfter) != nil {
			return
		}
		c.Write(connackPacket(code))
		return
	}
	// The client is accepted: forward packets until one side closes the connection.
	defer a.leave(raw)
	p.clients.markGreeted(raw)
	raw.SetDeadline(time.Time{})
	p.forward(c, r, a, hello)
}

// connackPacket returns a CONNACK with a return code.
func connackPacket(code byte) []byte { return []byte{typeConnack << 4, 2, 0, code} }

// readConnect reads the first packet of a connection, which must be a CONNECT.
func readConnect(r *bufio.Reader) (connect, error) {
	first, length, err := readHeader(r)
	if err != nil {
		return connect{}, err
	}
	if first != typeConnect<<4 || length > maxConnect {
		return connect{}, fmt.Errorf("first packet has type %d and %d bytes, want a CONNECT of at most %d bytes", first>>4,
			length, maxConnect)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return connect{}, err
	}
	return parseConnect(body)
}

// admit returns the account for a CONNECT. If code is not 0, the connection is refused with this return code, and why
// is the reason for the log.
func (p *proxy) admit(raw net.Conn, hello connect) (a *account, code byte, why string) {
	a, anyone := p.accounts.get(hello.user), p.accounts.get("")
	if anyone != nil {
		a = anyone
	} else if a == nil || !a.hasPassword(hello.password) {
		return p.unknown, notAuthorized, "wrong user or password"
	}
	if !a.mayUse(hello.id) {
		return a, badClientID, "client id of another account"
	}
	if !a.connects.takeOne(p.now()) {
		return a, notAvailable, "too many connects"
	}
	if !a.enter(raw) {
		return a, notAvailable, "too many connections"
	}
	return a, 0, ""
}

// forward connects to the embedded server with the account's internal password, and forwards packets in both
// directions.
func (p *proxy) forward(c net.Conn, r *bufio.Reader, a *account, hello connect) {
	inner, err := net.Dial("tcp", p.inner)
	if err != nil {
		p.refuse(a, "embedded server unreachable", err.Error())
		c.Write(connackPacket(notAvailable))
		return
	}
	defer inner.Close()
	// Connect to the embedded server with the internal password.
	hello.user, hello.password = a.inner.user, a.inner.password
	if _, err := inner.Write(hello.packet()); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	// Forward packets to the client in another goroutine. When one direction ends, the other direction ends, too.
	d := &downward{c: c, work: &p.work}
	p.work.Go(func() {
		defer cancel()
		defer c.Close()
		defer inner.Close()
		d.copy(inner)
	})
	// Forward packets from the client until a packet exceeds a limit or a connection ends.
	u := &upward{p: p, a: a, in: r, out: bufio.NewWriterSize(inner, writeBuffer), inner: inner, down: d,
		filters: map[string]bool{}}
	defer p.manifests.leave(d)
	for err == nil {
		err = u.forwardNext(ctx)
	}
	if why := (*limitError)(nil); errors.As(err, &why) {
		p.refuse(a, why.limit, why.detail)
	}
}

// limitError is the error that makes the proxy close a connection that exceeded a limit.
type limitError struct{ limit, detail string }

// Error returns the limit and the detail.
func (e *limitError) Error() string { return e.limit + ": " + e.detail }

// upward forwards packets from a client to the embedded server.
type upward struct {
	p       *proxy
	a       *account
	in      *bufio.Reader
	out     *bufio.Writer
	inner   net.Conn
	down    *downward
	filters map[string]bool // topic filters to which this connection is subscribed
}

// forwardNext forwards one packet. If the account has used up its rate, forwardNext waits, so that TCP slows the client
// down.
func (u *upward) forwardNext(ctx context.Context) error {
	// Send buffered packets before waiting for the next packet.
	if u.in.Buffered() == 0 {
		if err := u.flush(); err != nil {
			return err
		}
	}
	first, length, err := readHeader(u.in)
	if err != nil {
		return err
	}
	if err := u.checkSize(first, length); err != nil {
		return err
	}
	if err := u.waitForRate(ctx, max(float64(length), u.a.perPacket)); err != nil {
		return err
	}
	// Change or report a packet if necessary, and copy all other packets.
	switch kind := first >> 4; {
	case kind == typeSubscribe, kind == typeUnsubscribe:
		return u.forwardSubscription(ctx, first, length)
	case u.isManifest(kind, length):
		return u.forwardManifest(first, length)
	case kind == typePublish:
		if err := u.reportPublish(length); err != nil {
			return err
		}
	}
	return u.copyPacket(first, length)
}

// checkSize rejects a packet beyond the limits before its body is read.
func (u *upward) checkSize(first byte, length int) error {
	kind := first >> 4
	if kind == typePublish && (length > wire.MaxPacket || first&0x06 > 0x02) {
		return u.tooLarge(first, length)
	}
	if kind != typePublish && length > maxOther {
		return &limitError{"packet too large", fmt.Sprintf("type %d, %d bytes", kind, length)}
	}
	return nil
}

// waitForRate waits until the account's rate limit permits the given number of further bytes.
func (u *upward) waitForRate(ctx context.Context, bytes float64) error {
	if u.a.bytes == nil {
		return nil
	}
	d := u.a.bytes.take(bytes, u.p.now())
	if d <= 0 {
		return nil
	}
	return errors.Join(u.flush(), wait(ctx, d))
}

// copyPacket forwards a packet without changes. The caller has read the packet's header.
func (u *upward) copyPacket(first byte, length int) error {
	if _, err := u.out.Write(appendHeader(nil, first, length)); err != nil {
		return err
	}
	if length > u.in.Buffered() { // send the previous packet now, because it must not wait for the rest of this packet
		if err := u.flush(); err != nil {
			return err
		}
	}
	_, err := io.CopyN(u.out, u.in, int64(length))
	return err
}

// flush sends the buffered packets to the embedded server.
func (u *upward) flush() error {
	u.inner.SetWriteDeadline(time.Now().Add(stallTime))
	return u.out.Flush()
}

// tooLarge returns the error for a PUBLISH beyond the limits, with the topic of the PUBLISH.
func (u *upward) tooLarge(first byte, length int) error {
	var topic string
	if b, err := u.in.Peek(2); err == nil {
		n := min(int(b[0])<<8|int(b[1]), 256)
		if b, err = u.in.Peek(2 + n); err == nil {
			topic = string(b[2:])
		}
	}
	if length > wire.MaxPacket {
		return &limitError{"packet too large", fmt.Sprintf("topic %q, %d bytes of at most %d", topic, length, wire.MaxPacket)}
	}
	return &limitError{"QoS 2 publish", fmt.Sprintf("topic %q: QoS 0 or 1 expected", topic)}
}

// forwardSubscription forwards a SUBSCRIBE or UNSUBSCRIBE that is within the account's limits.
func (u *upward) forwardSubscription(ctx context.Context, first byte, length int) error {
	body := make([]byte, length)
	if _, err := io.ReadFull(u.in, body); err != nil {
		return err
	}
	filters, err := filtersOf(first>>4, body)
	if err != nil {
		return err
	}
	// Count the filters of the connection.
	for _, f := range filters {
		if first>>4 == typeUnsubscribe {
			delete(u.filters, f)
			continue
		}
		if u.filters[strings.Clone(f)] = true; len(u.filters) > u.a.filters || len(f) > 512 {
			return &limitError{"too many subscriptions", fmt.Sprintf("filter %.100q is number %d of at most %d", f,
				len(u.filters), u.a.filters)}
		}
	}
	if err := u.waitForRate(ctx, float64(len(filters))*u.a.perFilter); err != nil {
		return err
	}
	// Report denied filters. For a machine, also lower the QoS, and replace the topic of the manifest.
	if first>>4 == typeSubscribe {
		u.reportFilters(filters)
		u.a.lowerQoS(body)
		body = u.replaceManifestTopic(body)
	}
	_, err = u.out.Write(append(appendHeader(nil, first, len(body)), body...))
	return err
}
