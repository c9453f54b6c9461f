// Package websocket replaces github.com/gorilla/websocket, which the MQTT client library uses for brokers at a ws: or
// wss: address. Portillon accepts no such address (wire/mqtt: tcp, mqtt, ssl, tls and mqtts), so the real package would
// be 140 KB of unreachable code in portillond. go.mod replaces the real package with this package.
//
// The package declares the names that the client library uses; every call returns an error. If a new release of the
// library uses other names, the library compiles only after these names are added to this package.
package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// BinaryMessage is the kind of message that carries MQTT (RFC 6455, section 11.8).
const BinaryMessage = 2

// errNone is the error that every function of this package returns.
var errNone = errors.New("websocket: this program does not support websocket connections")

// Dialer has only the fields that the MQTT library sets.
type Dialer struct {
	Proxy                           func(*http.Request) (*url.URL, error)
	HandshakeTimeout                time.Duration
	EnableCompression               bool
	TLSClientConfig                 *tls.Config
	Subprotocols                    []string
	ReadBufferSize, WriteBufferSize int
}

// Dial always returns errNone.
func (*Dialer) Dial(string, http.Header) (*Conn, *http.Response, error) { return nil, nil, errNone }

// Conn is the type of a connection. A Conn never exists, because Dial always returns an error.
type Conn struct{ net.Conn }

// WriteMessage always returns errNone.
func (*Conn) WriteMessage(int, []byte) error { return errNone }

// NextReader always returns errNone.
func (*Conn) NextReader() (int, io.Reader, error) { return 0, nil, errNone }
