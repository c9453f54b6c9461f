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

// ReadSMTP reads the configuration file of outgoing mail. ReadSMTP refuses a file that other users can read. The faults
// name lines of the file but never quote a password.
func ReadSMTP(path string) (SMTP, error) {
	info, err := os.Stat(path)
	if err != nil {
		return SMTP{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return SMTP{}, fmt.Errorf("%s: file mode %o lets other users read the password, want 600", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return SMTP{}, err
	}
	return ParseSMTP(path, data)
}

// ParseSMTP parses data as the contents of the configuration file name. The default of TLS is starttls. ParseSMTP
// accepts tls: none only if the mail server is on the hub's own computer.
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

// Sender returns a Sender that uses the mail server of this configuration.
func (c SMTP) Sender() Sender { return smtpSender{c, mailTime} }

// smtpSender sends mail by SMTP. timeout limits the time for one mail, including the connection.
type smtpSender struct {
	SMTP
	timeout time.Duration
}

// Send sends one mail on a separate connection, and closes the connection when ctx is done. An SMTP response with a
// status from 500 to 599 is a permanent error (RFC 5321, section 4.2.1), so that Send returns *Refused.
func (c smtpSender) Send(ctx context.Context, m Mail) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(c.From), msg.To(m.To)); err != nil {
		return &Refused{err}
	}
	if strings.ContainsFunc(m.Subject+m.To, func(r rune) bool { return r < ' ' }) {
		return &Refused{errors.New("mail has a control character in its subject or recipient")}
	}
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Body)
	// This header prevents automatic replies, such as out-of-office mails (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
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

// options returns the options of the mail client. The client closes its connection when ctx is done.
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

// dialUntilDone dials, and closes the connection when the context until is done, so that a slow server cannot delay the
// sender any longer.
func dialUntilDone(until context.Context) mail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(until, func() { conn.Close() })
		}
		return conn, err
	}
}
