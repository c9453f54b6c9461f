package account_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/account"
)

// smtpSink is a mail server for tests. It stores each received mail, or sends a wrong answer to a chosen SMTP command.
type smtpSink struct {
	net.Listener
	at, answer string // answer is the server's response to the SMTP command at; "hang up" and "silence" send no response

	mu    sync.Mutex
	mails []string
	wg    sync.WaitGroup
}

func newSink(t *testing.T, at, answer string) *smtpSink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpSink{Listener: l, at: at, answer: answer}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *smtpSink) talk(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	say := func(command, normal string) bool {
		if command == s.at {
			switch s.answer {
			case "hang up":
				return false
			case "silence":
				_, _ = in.ReadString(0) // read until the client closes the connection
				return false
			}
			normal = s.answer
		}
		_, err := c.Write([]byte(normal + "\r\n"))
		return err == nil
	}
	if !say("connect", "220 sink ESMTP") {
		return
	}
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(text)), " ")
		answer := "250 ok"
		switch command {
		case "DATA":
			if !say("DATA", "354 go on") {
				return
			}
			if s.at == "DATA" {
				continue
			}
			body := ""
			for !strings.HasSuffix(body, "\r\n.\r\n") {
				more, err := in.ReadString('\n')
				if err != nil {
					return
				}
				body += more
			}
			if s.at != "." {
				s.mu.Lock()
				s.mails = append(s.mails, body)
				s.mu.Unlock()
			}
			command = "."
		case "QUIT":
			answer = "221 bye"
		}
		if !say(command, answer) {
			return
		}
	}
}

func (s *smtpSink) sender(t *testing.T) account.Sender {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr().String())
	n, _ := strconv.Atoi(port)
	return account.Quick(account.SMTP{Host: "127.0.0.1", Port: n, TLS: "none", From: "portillon@biklab.example"}.Sender(),
		300*time.Millisecond)
}

func TestMailArrivesWithItsHeaders(t *testing.T) {
	s := newSink(t, "", "")
	m := account.Mail{To: "lea@biklab.example", Subject: "Se connecter à Bik Lab",
		Body: "é\r\n.\r\nBcc: x@evil.example\n\nhttps://hub.example/?code=X\n"}
	if err := s.sender(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) != 1 {
		t.Fatalf("%d mails", len(s.mails))
	}
	head, _, _ := strings.Cut(s.mails[0], "\r\n\r\n")
	for _, want := range []string{"To: <lea@biklab.example>", "From: <portillon@biklab.example>",
		"Auto-Submitted: auto-generated"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	if strings.Contains(head, "Bcc") {
		t.Errorf("an injected header:\n%s", head)
	}
}

func TestMailWithALineFeedInAHeaderIsNotSent(t *testing.T) {
	s := newSink(t, "", "")
	for _, m := range []account.Mail{
		{To: "lea@biklab.example\r\nBcc: x@evil.example", Subject: "x"}, {To: "lea@biklab.example",
			Subject: "x\r\nBcc: x@evil.example"},
		{To: "lea@biklab.example", Subject: "x\nBcc: y"}, {To: "", Subject: "x"},
	} {
		var final *account.Refused
		if err := s.sender(t).Send(t.Context(), m); !errors.As(err, &final) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) != 0 {
		t.Errorf("sent %q", s.mails)
	}
}

func TestMisbehavingMailServerDoesNotBlockTheSender(t *testing.T) {
	for _, c := range []struct {
		at, answer string
		final      bool
	}{
		{"connect", "554 go away", false}, {"connect", "hang up", false}, {"connect", "silence", false}, {"connect",
			"garbage", false},
		{"EHLO", "hang up", false}, {"EHLO", "silence", false},
		{"MAIL", "451 later", false}, {"MAIL", "hang up", false}, {"RCPT", "450 greylisted", false}, {"RCPT",
			"550 no such user", true},
		{"RCPT", "silence", false}, {"DATA", "451 later", false}, {"DATA", "hang up", false}, {"DATA", "554 refused", true},
		{".", "451 later", false}, {".", "hang up", false}, {".", "silence", false}, {".", "554 spam", true},
	} {
		t.Run(c.at+" "+c.answer, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, c.at, c.answer)
			err := s.sender(t).Send(context.Background(), account.Mail{To: "lea@biklab.example", Subject: "x", Body: "y"})
			var final *account.Refused
			if err == nil || errors.As(err, &final) != c.final {
				t.Errorf("%v, want final: %v", err, c.final)
			}
		})
	}
}

func TestMailFileIsParsedAndChecked(t *testing.T) {
	whole := "host: smtp.biklab.example\nusername: u\npassword: p w\nfrom: portillon@biklab.example\n"
	c, err := account.ParseSMTP("smtp.yaml", []byte(whole))
	if err != nil || c != (account.SMTP{Host: "smtp.biklab.example", Port: 587, TLS: "starttls", Username: "u",
		Password: "p w", From: "portillon@biklab.example"}) {
		t.Errorf("parsed configuration is %+v, %v", c, err)
	}
	for _, text := range []string{"", "host: x\n", "host: x\nfrom: y\n", whole + "tls: none\n", whole + "port: 70000\n",
		whole + "x: y\n",
		"host: x\nfrom: a@b.example\nusername: u\n", "host: 127.0.0.1\nfrom: a@b.example\ntls: perhaps\n"} {
		if _, err := account.ParseSMTP("smtp.yaml", []byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		} else if strings.Contains(err.Error(), "p w") {
			t.Errorf("the error quotes the password: %v", err)
		}
	}
	path := filepath.Join(t.TempDir(), "smtp.yaml")
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := account.ReadSMTP(path); err == nil || !strings.Contains(err.Error(), "600") {
		t.Errorf("a file that others read: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := account.ReadSMTP(path); err != nil {
		t.Error(err)
	}
}

func TestRunSendsNewMailsUntilItsContextIsDone(t *testing.T) {
	b := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	got := make(chan account.Mail, 1)
	b.o.Mail = sendFunc(func(m account.Mail) error { got <- m; return nil })
	b.restart()
	go func() { done <- b.Outbox.Run(ctx) }()
	w := b.browser()
	ask := func(ctx context.Context) error { return b.Links.MailLink(ctx, "lea@biklab.example") }
	if err := w.do("POST", ask); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m.To != "lea@biklab.example" {
		t.Errorf("%+v", m)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type sendFunc func(account.Mail) error

func (f sendFunc) Send(_ context.Context, m account.Mail) error { return f(m) }
