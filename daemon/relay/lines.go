package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// version is the version of the protocol between guard and daemon. Guard and daemon are the same program, unless the
// program's file was replaced while the daemon ran.
const version = 3

// maxLine is the largest size of a line of the protocol, in bytes, with its line feed.
const maxLine = 256

// MaxFinish is the longest time that a job may continue without its daemon. No known 3D print takes longer.
const MaxFinish = 7 * 24 * time.Hour

// order is a line from the daemon.
type order struct {
	do     string // kind of the order: on, off or keep
	id     uint64 // number of the order, for on and off
	finish time.Duration
	cool   time.Duration // running time of the extraction after the relay opens
}

func (o order) String() string {
	switch o.do {
	case "on":
		return fmt.Sprintf("on %d %d %d", o.id, o.finish.Milliseconds(), o.cool.Milliseconds())
	case "off":
		return fmt.Sprintf("off %d", o.id)
	}
	return o.do
}

// parseOrder parses a line. The line must be exactly as the daemon writes it.
func parseOrder(line string) (order, error) {
	o := order{}
	var arg string
	o.do, arg, _ = strings.Cut(line, " ")
	// If a text is not a number, parseOrder reads it as 0. The order formatted again then differs from the line, so
	// parseOrder rejects the line. fmt.Sscanf is not used, because nothing else in the daemon uses it and it would add 80
	// KB.
	switch o.do {
	case "on":
		id, times, _ := strings.Cut(arg, " ")
		finish, cool, _ := strings.Cut(times, " ")
		o.id, o.finish, o.cool = parseNumber(id), parseMilliseconds(finish), parseMilliseconds(cool)
	case "off":
		o.id = parseNumber(arg)
	case "keep":
	default:
		return order{}, fmt.Errorf("invalid order %.40q", line)
	}
	if o.String() != line || !bounded(o.finish) || !bounded(o.cool) {
		return order{}, fmt.Errorf("invalid order %.40q", line)
	}
	return o, nil
}

// parseNumber parses a decimal number. For any other text, parseNumber returns 0.
func parseNumber(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// parseMilliseconds parses a time in milliseconds. If the time overflows a duration, the result is -1 ms, a value that
// no order may have.
func parseMilliseconds(s string) time.Duration {
	n := parseNumber(s)
	if n > uint64(math.MaxInt64/time.Millisecond) {
		return -time.Millisecond
	}
	return time.Duration(n) * time.Millisecond
}

func bounded(d time.Duration) bool { return d >= 0 && d <= MaxFinish }

// guardLine is a line from the guard.
type guardLine struct {
	say string // kind of the line: guard, done, deny, alive, drop, fault, or an input's name
	id  uint64 // for done and deny: the number of the order; for guard: the version
	on  bool
	why string
}

func (w guardLine) String() string {
	switch w.say {
	case "guard", "done":
		return fmt.Sprintf("%s %d %c", w.say, w.id, bit(w.on))
	case "deny":
		return fmt.Sprintf("deny %d %s", w.id, w.why)
	case "e-stop", "door", "contactor", "busy":
		return fmt.Sprintf("%s %c", w.say, bit(w.on))
	case "drop", "fault":
		return w.say + " " + w.why
	}
	return w.say
}

func bit(on bool) byte {
	if on {
		return '1'
	}
	return '0'
}

// parseGuardLine parses a line from the guard. The line must be exactly as a guard writes it.
func parseGuardLine(line string) (guardLine, error) {
	w := guardLine{}
	var arg string
	w.say, arg, _ = strings.Cut(line, " ")
	switch w.say {
	case "guard", "done":
		id, level, _ := strings.Cut(arg, " ")
		w.id, w.on = parseNumber(id), level == "1"
	case "deny":
		id, why, _ := strings.Cut(arg, " ")
		if strings.ContainsFunc(why, unicode.IsSpace) {
			return guardLine{}, fmt.Errorf("invalid line from the guard: %.40q", line)
		}
		w.id, w.why = parseNumber(id), why
	case "e-stop", "door", "contactor", "busy":
		w.on = arg == "1"
	case "drop", "fault":
		w.why = arg
	case "alive":
	default:
		return guardLine{}, fmt.Errorf("invalid line from the guard: %.40q", line)
	}
	if w.String() != line {
		return guardLine{}, fmt.Errorf("invalid line from the guard: %.40q", line)
	}
	return w, nil
}

// faultLine returns the line with which the guard reports an error.
func faultLine(err error) guardLine {
	why := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, err.Error())
	return guardLine{say: "fault", why: strings.ToValidUTF8(why[:min(len(why), maxLine-16)], "")}
}

var errTooLong = errors.New("line is longer than the protocol allows")

// readLine reads a whole line and removes its line feed. An incomplete line at the end is discarded.
func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errTooLong
	}
	if err != nil {
		return "", err
	}
	return string(b[:len(b)-1]), nil
}

func lineReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, maxLine) }
