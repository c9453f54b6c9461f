// Package websocket replaces github.com/gorilla/websocket, which the MQTT client library needs for brokers at a ws: or
// wss: address. Portillon accepts no such address (wire/mqtt: tcp, mqtt, ssl, tls and mqtts), so the 140 KB of the
// real package would be unreachable code in portillond. go.mod replaces the real package by this one.
//
// The package declares the names that the client library uses, and every call fails. If a release of the library uses
// further names, it does not compile, and these names must be added here.
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

// errNone is the error of every call.
var errNone = errors.New("websocket connections are not part of this program")

// Dialer has the fields that the MQTT library sets.
type Dialer struct {
	Proxy                           func(*http.Request) (*url.URL, error)
	HandshakeTimeout                time.Duration
	EnableCompression               bool
	TLSClientConfig                 *tls.Config
	Subprotocols                    []string
	ReadBufferSize, WriteBufferSize int
}

// Dial always fails.
func (*Dialer) Dial(string, http.Header) (*Conn, *http.Response, error) { return nil, nil, errNone }

// Conn is the type of a connection. No value of it exists, because Dial always fails.
type Conn struct{ net.Conn }

// WriteMessage always fails.
func (*Conn) WriteMessage(int, []byte) error { return errNone }

// NextReader always fails.
func (*Conn) NextReader() (int, io.Reader, error) { return 0, nil, errNone }
