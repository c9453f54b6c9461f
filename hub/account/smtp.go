package account

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"portillon/yamlfile"
)

// SMTP is the configuration of outgoing mail, from a file that only its owner may read.
//
//	host: smtp.biklab.example
//	port: 587            # 587 with starttls, 465 with tls; the default follows tls:
//	tls: starttls        # or tls; none on loopback only
//	username: portillon  # with password: if the server requires them
//	password: …
//	from: portillon@biklab.example
type SMTP struct {
	Host               string
	Port               int
	TLS                string // starttls, tls, none
	Username, Password string
	From               string
}

// ReadSMTP reads the file of SMTP. Its faults name lines and quote no password. A file that other users can read is
// refused.
func ReadSMTP(path string) (SMTP, error) {
	info, err := os.Stat(path)
	if err != nil {
		return SMTP{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return SMTP{}, fmt.Errorf("%s: others can read the password (mode %o), want 600", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return SMTP{}, err
	}
	return ParseSMTP(path, data)
}

// ParseSMTP parses the text of the file name, as ReadSMTP does. The default of TLS is starttls. Unencrypted mail is
// accepted only for the hub's own computer.
func ParseSMTP(name string, data []byte) (SMTP, error) {
	d := yamlfile.Parse(name, data).Private()
	r := d.Root()
	r.Only("host", "port", "tls", "username", "password", "from")
	c := SMTP{Host: r.Get("host").Required().Str(), TLS: "starttls", Username: r.Get("username").Str(),
		Password: r.Get("password").Str(),
		From:     r.Get("from").Required().Str()}
	if r.Get("tls").Present() {
		c.TLS = r.Get("tls").OneOf("starttls", "tls", "none")
	}
	c.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[c.TLS]
	if r.Get("port").Present() {
		c.Port = r.Get("port").Int(1, 65535)
	}
	if ip := net.ParseIP(c.Host); c.TLS == "none" && c.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		r.Get("tls").Fault("starttls or tls", "mail to %.80q would travel in the clear", c.Host)
	}
	if _, err := parseAddress(c.From); err != nil && c.From != "" {
		r.Get("from").Fault("one address, as in portillon@biklab.example", "%.80q is no e-mail address", c.From)
	}
	if (c.Username == "") != (c.Password == "") {
		r.Fault("", "username and password go together")
	}
	return c, d.Err()
}

// Sender returns a sender with this configuration.
func (c SMTP) Sender() Sender { return smtpSender{c, mailTime} }

// smtpSender sends mail by SMTP. timeout covers one mail, including the connection.
type smtpSender struct {
	SMTP
	timeout time.Duration
}

// Send delivers one mail on a separate connection, which is closed when ctx is done. A response of the class 5yz (RFC
// 5321, section 4.2.1) is permanent and becomes *Refused.
func (c smtpSender) Send(ctx context.Context, m Mail) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(c.From), msg.To(m.To)); err != nil {
		return &Refused{err}
	}
	if strings.ContainsFunc(m.Subject+m.To, func(r rune) bool { return r < ' ' }) {
		return &Refused{errors.New("subject or recipient has a control character")}
	}
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Body)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: out-of-office programs do not answer
	client, err := mail.NewClient(c.Host, c.options(ctx)...)
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode()/100 == 5 {
		return &Refused{err}
	}
	return err
}

// options returns the options of a connection that is closed when ctx is done.
func (c smtpSender) options(ctx context.Context) []mail.Option {
	o := []mail.Option{mail.WithPort(c.Port), mail.WithTimeout(c.timeout), mail.WithoutNoop()}
	switch c.TLS {
	case "tls":
		o = append(o, mail.WithSSL())
	case "none":
		o = append(o, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(dialUntilDone(ctx)))
	default:
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithDialContextFunc(dialUntilDone(ctx)))
	}
	if c.Username != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.Username),
			mail.WithPassword(c.Password))
	}
	return o
}

// dialUntilDone dials, and closes the connection when until is done, so that a server that sends one byte a minute
// cannot delay the sender further.
func dialUntilDone(until context.Context) mail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(until, func() { conn.Close() })
		}
		return conn, err
	}
}
