package relay

import (
	"context"
	"errors"
	"io"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// sample is the longest time for which a changed input stays undetected if no edge wakes the guard.
	sample = 20 * time.Millisecond
	// settle is how long an input must be low before it counts as low again: longer than a contact bounces, and longer
	// than the gaps in a current relay's output at 50 Hz (20 ms). A high level counts at once, without this delay.
	settle = 60 * time.Millisecond
	// chatter is the shortest interval between two reads of an input that changes constantly.
	chatter = time.Millisecond
)

// writeLines writes the guard's lines. After a write error, writeLines discards all further lines, because the daemon
// is gone and the guard ends.
func writeLines(out io.Writer, words <-chan guardLine) {
	var err error
	for w := range words {
		if err == nil {
			_, err = io.WriteString(out, w.String()+"\n")
		}
	}
}

// daemonLine is a line from the daemon, or the error of an invalid line.
type daemonLine struct {
	line string
	err  error
}

// listen sends lines to the returned channel until in ends, then closes the channel.
func listen(ctx context.Context, in io.Reader) <-chan daemonLine {
	lines := make(chan daemonLine)
	go func() {
		defer close(lines)
		for r := lineReader(in); ; {
			line, err := readLine(r)
			if err != nil && !errors.Is(err, errTooLong) {
				return
			}
			select {
			case lines <- daemonLine{line, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// input is an input that has changed, with its new level.
type input struct {
	name string
	high bool
}

// watched is an input that the guard watches.
type watched struct {
	name string
	pin  gpio.PinIn
}

// watch sends an input's changes to out until ctx ends.
func (w watched) watch(ctx context.Context, high bool, out chan<- input) {
	var low time.Time // time at which the low level began, while the input still counts as high
	for ctx.Err() == nil {
		began := time.Now()
		if w.pin.WaitForEdge(sample) {
			low = time.Time{}
			pause(ctx, chatter-time.Since(began))
		} else { // WaitForEdge returns at once on a pin without edge detection
			pause(ctx, sample-time.Since(began))
		}
		switch now := w.pin.Read() == gpio.High; {
		case now == high:
			low = time.Time{}
			continue
		case !now && low.IsZero():
			low = time.Now()
			continue
		case !now && time.Since(low) < settle:
			continue
		}
		high, low = !high, time.Time{}
		select {
		case out <- input{w.name, high}:
		case <-ctx.Done():
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
