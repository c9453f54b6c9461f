package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"portillon/policy"
)

// Ask returns ErrEnded if the input ends before the person has typed an answer.
var ErrEnded = errors.New("input ended before an answer was typed")

// maxLine is the maximum length of a typed line, in bytes.
const maxLine = 4096

// Terminal asks a person questions.
type Terminal struct {
	Lang  policy.Language
	Yes   bool // true: answer every confirmation with yes
	out   io.Writer
	lines <-chan string
}

// NewTerminal returns a terminal that reads lines from in. The terminal's goroutine blocks in in.Read until the process
// or the input ends, because the read cannot be interrupted.
func NewTerminal(ctx context.Context, in io.Reader, out io.Writer, l policy.Language) *Terminal {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return &Terminal{Lang: l, out: out, lines: lines}
}

// Say prints a text followed by a line break.
func (t *Terminal) Say(x policy.Text) { fmt.Fprintln(t.out, x.In(t.Lang)) }

// Ask prints a question and waits for a line.
func (t *Terminal) Ask(ctx context.Context, x policy.Text) (string, error) {
	fmt.Fprint(t.out, x.In(t.Lang), " > ")
	select {
	case line, ok := <-t.lines:
		if !ok {
			fmt.Fprintln(t.out)
			return "", ErrEnded
		}
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(t.out)
		return "", ctx.Err()
	}
}

// Confirm asks a question that is answered by yes or no. An empty line means no.
func (t *Terminal) Confirm(ctx context.Context, x policy.Text) (bool, error) {
	return t.ConfirmDanger(ctx, t.Yes, x)
}

// ConfirmDanger asks for confirmation of an action that could hurt somebody. The flag --yes does not answer this
// question. If the argument confirmed is true, because of a separate flag, the answer is yes.
func (t *Terminal) ConfirmDanger(ctx context.Context, confirmed bool, x policy.Text) (bool, error) {
	if confirmed {
		return true, nil
	}
	for range tries {
		line, err := t.Ask(ctx, policy.Text{FR: x.FR + " [o/N]", EN: x.EN + " [y/N]"})
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "o", "oui", "y", "yes":
			return true, nil
		case "", "n", "no", "non":
			return false, nil
		}
	}
	return false, nil
}
